#!/usr/bin/env bash
# An isolated place ("room") for a real systemd-journald that neither sees nor changes this machine's: a mount namespace in which
# the directories of journald's journals and sockets are below DIR. Prints "ready" and does nothing until it is ended; the caller
# enters it by its process ID. Root only.
#
#   test/peers/journald.sh DIR & room=$!
#   nsenter --target $room --mount --wdns=/ /lib/systemd/systemd-journald &      any number of times
#   nsenter --target $room --mount --wdns=/ journalctl -o json
#
# With EVENTSVC_JOURNALD_TREE=TREE, journald and libsystemd are those of another Debian, such as that of trixie.sh.
#
# DIR/var is /var/log/journal. /run/log is in memory, as journald requires to remove its journals there: it writes there until
# SIGUSR1 makes it flush to /var. SIGUSR2 rotates. It takes any number of messages (no rate limit) and reads neither the kernel's log nor audit.
set -euo pipefail

if [[ -z ${1:-} ]]; then
	echo "cannot make a room for journald: say where: test/peers/journald.sh DIR" >&2
	exit 2
fi
if ((EUID != 0)); then
	echo "cannot make a room for journald: that takes root" >&2
	exit 1
fi
if [[ ! -x /lib/systemd/systemd-journald ]]; then
	echo "cannot make a room for journald: there is none; run test/peers/install.sh first" >&2
	exit 125
fi

mkdir -p "$1"
dir=$(cd "$1" && pwd -P)
mkdir -p "$dir"/{var,sockets} /run/systemd/journal /run/log /var/log/journal
cat >"$dir/journald.conf" <<CONF
[Journal]
Storage=auto
RateLimitIntervalSec=0
ReadKMsg=no
Audit=no
ForwardToSyslog=no
ForwardToWall=no
CONF
touch -a /etc/systemd/journald.conf

# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --propagation private bash -euo pipefail -c '
	mount -t tmpfs -o mode=0755 tmpfs /run/log
	mount --bind "$1/var" /var/log/journal
	mount --bind "$1/sockets" /run/systemd/journal
	mount --bind "$1/journald.conf" /etc/systemd/journald.conf
	[[ -z ${EVENTSVC_JOURNALD_TREE:-} ]] || mount --bind "$EVENTSVC_JOURNALD_TREE/usr" /usr
	echo ready
	exec sleep infinity' - "$dir"
