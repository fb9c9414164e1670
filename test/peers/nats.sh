#!/usr/bin/env bash
# Builds nats-server, the peer of the tests of the fleet, once: from the Go module proxy into the cache of the peers. Needs
# Go; prints its path.
#
#   test/peers/nats.sh
set -euo pipefail

version=v2.15.3
bin=${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}/bin

if [[ "$("$bin/nats-server" --version 2>/dev/null || true)" != "nats-server: $version" ]]; then
	mkdir -p "$bin"
	(cd / && GOBIN=$bin CGO_ENABLED=0 GOFLAGS='' go install "github.com/nats-io/nats-server/v2@$version") >&2
fi
echo "$bin/nats-server"
