#!/usr/bin/env bash
# Builds nats-server, the peer of the tests of the fleet, once: from the Go module proxy into the cache of the peers. Needs
# Go; prints its path.
#
#   test/peers/nats.sh
#   test/peers/nats.sh --cli    the nats CLI instead
set -euo pipefail

bin=${EVENTSVC_PEERS:-/var/cache/eventsvc-peers}/bin

# build NAME MODULE VERSION
build() {
	if [[ "$(cat "$bin/$1.version" 2>/dev/null || true)" != "$3" || ! -x $bin/$1 ]]; then
		mkdir -p "$bin"
		(cd / && GOBIN=$bin CGO_ENABLED=0 GOFLAGS='' go install "$2@$3") >&2
		echo "$3" >"$bin/$1.version"
	fi
	echo "$bin/$1"
}

if [[ ${1:-} == --cli ]]; then
	build nats github.com/nats-io/natscli/nats v0.5.1
else
	build nats-server github.com/nats-io/nats-server/v2 v2.15.3
fi
