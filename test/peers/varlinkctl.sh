#!/usr/bin/env bash
# Runs the varlinkctl of the trixie tree (systemd 257) on this machine; all arguments are its own.
#
#   test/peers/varlinkctl.sh call --more unix:/run/eventsvc/io.podman.events io.podman.events.Subscribe '{}'
#
# The tree's own loader starts it, with the tree's libraries: those of Debian 12 are too old for it. No chroot, so that paths of
# sockets mean the same to it as to everyone here. exec keeps the process ID: a test may signal what it started.
set -euo pipefail

tree=${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}/trixie
if [[ ! -r $tree/.eventsvc-peer ]]; then
	echo "cannot run varlinkctl: there is no complete Debian tree in $tree; run test/peers/trixie.sh first" >&2
	exit 125
fi

case $(uname -m) in
x86_64) loader=lib64/ld-linux-x86-64.so.2 triplet=x86_64-linux-gnu ;;
aarch64) loader=lib/ld-linux-aarch64.so.1 triplet=aarch64-linux-gnu ;;
*)
	echo "cannot run varlinkctl: the loader of the architecture $(uname -m) is not known to test/peers/varlinkctl.sh" >&2
	exit 125
	;;
esac

# The bridges that varlinkctl can start (exec:, ssh-exec:) are programs of this machine: --library-path reaches
# varlinkctl alone, where LD_LIBRARY_PATH would reach them too. A pager would wait for a key.
export SYSTEMD_PAGER=
exec "$tree/$loader" --library-path "$tree/usr/lib/$triplet:$tree/usr/lib/$triplet/systemd" \
	"$tree/usr/bin/varlinkctl" "$@"
