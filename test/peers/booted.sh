#!/usr/bin/env bash
# Makes the Debian trixie tree in which the packages are tested: that of trixie.sh, with Podman 5.4.2 and the programs that use the
# service in the recipes of docs/recipes.md. Prints the tree's path; does nothing more if it is complete.
#
#   test/peers/booted.sh
#
# Root only. About 600 MB and half a minute. Several processes may call it at once: one builds, the others wait. Tests boot it below an
# overlay (test/boot_rig_test.go) and leave it as it is.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}
dir=$cache/booted
packages=(
	# The producer; a user's own needs uidmap. No network is set up: what runs, runs on the host's.
	podman crun conmon uidmap busybox-static
	# A user manager with a session bus of its own.
	dbus-user-session libpam-systemd
	# What recipes use: desktop notifications, GLib and Python subscribers, ssh, a log shipper's curl.
	libnotify-bin libglib2.0-bin python3-gi gir1.2-glib-2.0 openssh-client openssh-server curl jq
	# The scripts of the rpm are run by rpm itself; man shows the pages.
	rpm man-db
)

marker=$dir/.eventsvc-peer
recipe="booted ${packages[*]}"
complete() { [[ -r $marker && $(<"$marker") == "$recipe" ]]; }

if complete; then
	echo "$dir"
	exit 0
fi
if ((EUID != 0)); then
	echo "cannot make the Debian tree $dir: it needs root" >&2
	exit 1
fi
base=$("$here/trixie.sh")
exec 9>"$dir.lock"
flock 9
if complete; then
	echo "$dir"
	exit 0
fi

# --one-file-system: if an earlier run died with /proc mounted in the tree, that must not be removed.
umount "$dir/proc" 2>/dev/null || true
rm -rf --one-file-system "$dir"
cp -a --reflink=auto "$base" "$dir"
rm "$dir/.eventsvc-peer"
trap 'umount "$dir/proc" 2>/dev/null || true' EXIT

# No service may start in the tree now, and name resolution must work in it.
printf '#!/bin/sh\nexit 101\n' >"$dir/usr/sbin/policy-rc.d"
chmod 0755 "$dir/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$dir/etc/resolv.conf"
# If this machine's apt uses a proxy, the tree needs it, too.
apt-config dump 2>/dev/null | grep -i '^Acquire::.*proxy' >"$dir/etc/apt/apt.conf.d/99proxy" || true
mount --bind /proc "$dir/proc"
for ((attempt = 1; ; attempt++)); do
	if DEBIAN_FRONTEND=noninteractive chroot "$dir" sh -c '
		apt-get update -q &&
		apt-get install -y -q --no-install-recommends -o Acquire::Retries=3 "$@" &&
		apt-get clean' sh "${packages[@]}" >&2 9>&-; then
		break
	fi
	if ((attempt == 3)); then
		echo "cannot make the Debian tree $dir: apt-get failed $attempt times; is the mirror reachable?" >&2
		exit 1
	fi
	sleep $((attempt * 5))
done
umount "$dir/proc"
rm -f "$dir/usr/sbin/policy-rc.d" "$dir/etc/resolv.conf" "$dir/etc/apt/apt.conf.d/99proxy"

# Podman: copied layers, since an overlay below the overlay of a test is refused; no cgroup of its own, since the machine's
# cgroups may be those of version 1.
mkdir -p "$dir/etc/containers/containers.conf.d"
printf '[storage]\ndriver = "vfs"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
	>"$dir/etc/containers/storage.conf"

printf '%s\n' "$recipe" >"$marker"
echo "$dir"
