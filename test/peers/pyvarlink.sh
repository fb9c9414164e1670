#!/usr/bin/env bash
# Runs python3-varlink's command line client, taken from the trixie tree, with this machine's Python; all arguments are its own.
#
#   test/peers/pyvarlink.sh call --more unix:/run/eventsvc/io.podman.events/io.podman.events.Subscribe '{}'
#
#   test/peers/pyvarlink.sh --run FILE ARGUMENT...         a program that imports varlink
#
# It is an independent second client of the Varlink interface, with another language and another parser than varlinkctl's.
set -euo pipefail

tree=${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}/trixie
if [[ ! -r $tree/.eventsvc-peer ]]; then
	echo "cannot run python3-varlink: there is no complete Debian tree in $tree; run test/peers/trixie.sh first" >&2
	exit 125
fi

# Debian's own interpreter by its full path: another python3 may come first in PATH.
export PYTHONPATH=$tree/usr/lib/python3/dist-packages PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
if [[ ${1:-} == --run ]]; then
	exec /usr/bin/python3 "${@:2}"
fi
exec /usr/bin/python3 -m varlink.cli "$@"
