#!/usr/bin/env bash
# Boots the trixie tree with dbus-broker as its system bus, with the policy of dist/dbus, runs a command with the address of that
# bus in EVENTSVC_TEST_BUS, and powers the tree off. Root only; needs test/peers/trixie.sh and systemd-nspawn.
#
#   test/dbus_broker.sh COMMAND…
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=$("$here/peers/trixie.sh")
room=$(mktemp -d /tmp/evbroker.XXXXXX)
nspawn=

cleanup() {
	set +e
	if [[ -n $nspawn ]]; then
		local leader
		leader=$(pgrep -P "$nspawn" | head -n 1)
		[[ -n $leader ]] && nsenter -t "$leader" -a systemctl poweroff 2>/dev/null
		# Ten seconds for an orderly end; then the whole process tree, by the ID that was started here.
		for _ in {1..100}; do
			kill -0 "$nspawn" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$nspawn" 2>/dev/null
		wait "$nspawn" 2>/dev/null
	fi
	umount "$room/root" 2>/dev/null
	umount "$room" 2>/dev/null
	rm -rf --one-file-system "$room"
}
trap cleanup EXIT

# The tree itself stays as it is: what changes goes to memory.
mount -t tmpfs evbroker "$room"
mkdir -p "$room"/{upper,work,root,bus}
mount -t overlay evbroker -o "lowerdir=$tree,upperdir=$room/upper,workdir=$room/work" "$room/root"
mkdir -p "$room/root/usr/share/dbus-1/system.d"
cp "$here/../dist/dbus/io.podman.Events1.conf" "$room/root/usr/share/dbus-1/system.d/"
ln -sf /usr/lib/systemd/system/dbus-broker.service "$room/root/etc/systemd/system/dbus.service"
chmod 0755 "$room" "$room/bus"

systemd-nspawn -q -D "$room/root" -M "evbroker-$$" --register=no --keep-unit --private-users=no --private-network \
	--console=pipe --kill-signal=SIGRTMIN+3 --bind="$room/bus:/run/dbus" -b </dev/null >"$room/console" 2>&1 &
nspawn=$!
address=unix:path=$room/bus/system_bus_socket
for _ in {1..300}; do
	if busctl --address="$address" call org.freedesktop.DBus / org.freedesktop.DBus ListNames >/dev/null 2>&1; then
		break
	fi
	kill -0 "$nspawn" 2>/dev/null || break
	sleep 0.1
done
if ! busctl --address="$address" call org.freedesktop.DBus / org.freedesktop.DBus ListNames >/dev/null; then
	echo "cannot boot the tree with dbus-broker; its console said:" >&2
	tail -n 30 "$room/console" >&2
	exit 1
fi
leader=$(pgrep -P "$nspawn" | head -n 1)
if ! nsenter -t "$leader" -a systemctl --quiet is-active dbus-broker.service; then
	echo "cannot test dbus-broker: the tree runs another bus" >&2
	exit 1
fi
EVENTSVC_TEST_BUS=$address "$@"
