#!/usr/bin/env bash
# Runs one Podman command on the private storage in DIR (podman-env.sh), for callers other than shells.
#
#   test/peers/podman.sh DIR volume create x
#   test/peers/podman.sh DIR events --stream=false --format json
#   test/peers/podman.sh DIR --image        makes the test image; --settle, --clean, --can-run, --log likewise
#
# exec keeps the process ID, so the caller can end "events" by the ID of this script.
set -euo pipefail

# shellcheck source=podman-env.sh
source "$(dirname "${BASH_SOURCE[0]}")/podman-env.sh" "${1:-}"
shift
case ${1:-} in
--image) podman_image ;;
--settle) podman_settle ;;
--clean) podman_clean ;;
--can-run) podman_can_run ;;
--log) echo "$PODMAN_LOG" ;;
*) exec podman "${PODMAN_FLAGS[@]}" "$@" ;;
esac
