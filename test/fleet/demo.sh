#!/usr/bin/env bash
# A fleet on this machine, to try: a nats-server on loopback, three demo hosts that each write an event from time to time, a
# forwarder for each, a collector, and the service of the fleet. "make fleet-demo" calls it; Ctrl-C ends all of it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

eventsvc=$PWD/bin/eventsvc
cache=${EVENTSVC_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/eventsvc-peers}
nats=$(EVENTSVC_PEERS=$cache test/peers/nats.sh)
dir=$(mktemp -d)
port=${PORT:-14222}
url=nats://127.0.0.1:$port
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$dir"' EXIT
trap exit INT TERM

printf 'listen: 127.0.0.1:%s\njetstream { store_dir: "%s/js" }\n' "$port" "$dir" >"$dir/nats.conf"
"$nats" -c "$dir/nats.conf" >"$dir/nats.log" 2>&1 &

# started SOCKET: waits until something listens there.
started() {
	local n=0
	until [[ -S $1 ]]; do
		((n++ < 200)) || { echo "cannot start the demo: nothing listens on $1" >&2; exit 1; }
		sleep 0.05
	done
}

for host in shop1 shop2 shop3; do
	"$eventsvc" serve --config /dev/null --dbus none --listen "unix:$dir/$host" --log-file "$dir/$host.log" --log-max-size 10m >"$dir/$host.out" 2>&1 &
	started "$dir/$host"
	"$eventsvc" forward --to "$url" --create --host "$host" --address "unix:$dir/$host" >"$dir/$host.forward" 2>&1 &
	(while sleep 3; do
		"$eventsvc" write --address "unix:$dir/$host" --type container --status start --name "web-$RANDOM" --id "$(printf '%064x' $RANDOM)" >/dev/null
	done) 2>/dev/null &
done
"$eventsvc" collect --from "$url" --log "$dir/fleet.log" >"$dir/collect.out" 2>&1 &
"$eventsvc" serve --config /dev/null --dbus none --collected --log-file "$dir/fleet.log" --listen "unix:$dir/fleet" >"$dir/fleet.out" 2>&1 &
started "$dir/fleet"
cat <<EOF
Three hosts are forwarded to $url, and collected. In another terminal:

  $eventsvc events --address unix:$dir/fleet
  $eventsvc events --address unix:$dir/fleet --filter host=shop2 --format json
  $eventsvc write --address unix:$dir/shop1 --type volume --status create --name mine
  $eventsvc hosts --from $url

Ctrl-C ends the demo.
EOF
"$eventsvc" events --address "unix:$dir/fleet" --format '{{.Host}} {{.Type}} {{.Status}} {{.Name}}'
