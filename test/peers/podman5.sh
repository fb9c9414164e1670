#!/usr/bin/env bash
# podman.sh for the Podman 5.4.2 of the tree that booted.sh makes: the same arguments, on a storage of its own.
#
#   test/peers/podman5.sh DIR events --stream=false
#
# The tree's own loader starts it, as in varlinkctl.sh: it reads logs here, and runs no containers.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tree=${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}/booted
if [[ ! -r $tree/.eventsvc-peer || $(uname -m) != x86_64 ]]; then
	echo "cannot run Podman 5.4.2: there is no complete Debian tree for this machine in $tree; run test/peers/booted.sh first" >&2
	exit 125
fi

mkdir -p "$1/bin"
if [[ ! -x $1/bin/podman ]]; then
	made=$(mktemp "$1/bin/new.XXXXXX")
	printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$tree/lib64/ld-linux-x86-64.so.2" "$tree/usr/lib/x86_64-linux-gnu" "$tree/usr/bin/podman" >"$made"
	chmod 0755 "$made"
	mv "$made" "$1/bin/podman"
fi
export PATH=$1/bin:$PATH EVENTSVC_NETWORK_BACKEND=netavark CONTAINERS_HELPER_BINARY_DIR=$tree/usr/lib/podman PODMAN_IGNORE_CGROUPSV1_WARNING=1
exec "$here/podman.sh" "$@"
