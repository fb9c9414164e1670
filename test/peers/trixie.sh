#!/usr/bin/env bash
# Makes a minimal Debian trixie tree, with varlinkctl (systemd 257) and python3-varlink, which Debian 12 does not have, and a
# complete systemd that systemd-nspawn can boot. Prints the tree's path; does nothing more if it is complete.
#
#   test/peers/trixie.sh [DIR]        DIR: $EVENTSVC_PEERS/trixie, by default /var/cache/eventsvc-peers/trixie
#
# Root only. It takes about 250 MB and half a minute. Several processes may call it at once: one builds, the others wait.
set -euo pipefail

dir=${1:-${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}/trixie}
include=systemd,systemd-sysv,dbus,dbus-broker,python3-varlink
attempts=3

# The marker is written last and contains how the tree was made, so that neither an incomplete tree nor an older recipe counts.
marker=$dir/.eventsvc-peer
recipe="trixie minbase $include"
complete() { [[ -r $marker && $(<"$marker") == "$recipe" ]]; }

if complete; then
	echo "$dir"
	exit 0
fi
if ((EUID != 0)); then
	echo "cannot make the Debian tree $dir: debootstrap needs root" >&2
	exit 1
fi
if ! command -v debootstrap >/dev/null; then
	echo "cannot make the Debian tree $dir: there is no debootstrap; run test/peers/install.sh first" >&2
	exit 1
fi

mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
if complete; then
	echo "$dir"
	exit 0
fi

# The mirror that this machine's own Debian uses is known to work. If there is none: debootstrap's default.
# shellcheck disable=SC2016 # the format is apt's to expand
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' 'Origin: Debian' 2>/dev/null |
	sort -u | sed -n 1p || true)

# --one-file-system: if debootstrap died with /proc mounted in the tree, that must not be removed.
rm -rf --one-file-system "$dir"
for ((attempt = 1; ; attempt++)); do
	# A second attempt in the same tree reuses what was downloaded. Progress is for people: stdout is the path only.
	if debootstrap --variant=minbase --include="$include" trixie "$dir" ${mirror:+"$mirror"} >&2 9>&-; then
		break
	fi
	tail -n 5 "$dir/debootstrap/debootstrap.log" >&2 2>/dev/null || true
	if ((attempt == attempts)); then
		echo "cannot make the Debian tree $dir: debootstrap failed $attempts times; is the mirror reachable?" >&2
		exit 1
	fi
	echo "peers: debootstrap failed, attempt $((attempt + 1)) of $attempts follows" >&2
	sleep $((attempt * 5))
done

rm -rf "$dir"/var/cache/apt/archives/*.deb
printf '%s\n' "$recipe" >"$marker"
echo "$dir"
