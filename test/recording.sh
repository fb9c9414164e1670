#!/usr/bin/env bash
# Records what three followers print of the same events while Podman 5.4.2 rotates its log at the default size: "podman events", the
# stream /events of podman.socket, and "eventsvc events". The README has what it prints.
#
#   make build && test/recording.sh [EVENTS]      default: 4,000; root only
#
# It runs in the Debian 13 tree of test/peers/booted.sh, below an overlay in memory, with a network of its own: nothing is left.
# Podman's API service creates and removes containers, which carry 1 kB of labels, two at a time. Each reply confirms that an event
# is stored; the followers are compared with these.
set -euo pipefail

record() {
	cd "$(dirname "${BASH_SOURCE[0]}")/.."
	local tree
	tree=$(test/peers/booted.sh)
	exec systemd-nspawn -q -D "$tree" --volatile=overlay -M "eventsvc-recording-$$" --register=no --keep-unit --private-network \
		--console=pipe --bind-ro="$PWD/bin/eventsvc:/usr/local/bin/eventsvc" --bind-ro="$PWD/test/recording.sh:/opt/recording.sh" \
		--setenv=PODMAN_IGNORE_CGROUPSV1_WARNING=1 --as-pid2 /bin/bash /opt/recording.sh inside "${1:-4000}"
}

api() { curl -fsS --unix-socket /run/podman.sock "$@"; }

# produce WRITER COUNT: creates and removes containers, and records each event that is stored.
produce() {
	local n name padding
	padding=$(printf 'x%.0s' {1..1000})
	for ((n = 0; n < $2; n++)); do
		name=c$1-$n
		api -o /dev/null -H 'Content-Type: application/json' http://d/v5.0.0/libpod/containers/create \
			-d "{\"name\":\"$name\",\"image\":\"localhost/app:1\",\"command\":[\"/app\"],\"labels\":{\"description\":\"$padding\"}}"
		echo "$name create"
		api -o /dev/null -X DELETE "http://d/v5.0.0/libpod/containers/$name"
		echo "$name remove"
	done
}

# settle FILE: waits until a follower has printed the last event, or nothing for five seconds.
settle() {
	local size=-1 now quiet=0
	until grep -q '"end"' "$1" || ((quiet == 50)); do
		sleep 0.1
		now=$(stat -c %s "$1")
		if ((now == size)); then ((++quiet)); else quiet=0 size=$now; fi
	done
	sleep 1 # what is repeated after the last event
}

# judge NAME FILE: prints a line of the table.
judge() {
	jq -r 'select((.Type // "container") == "container" and ((.Name // .Actor.Attributes.name) | startswith("c")))
		| "\(.Name // .Actor.Attributes.name) \(.Status // .Action)"' "$2" | sort >"$2.events"
	printf '%-24s %8d %8d %9d\n' "$1" "$(wc -l <"$2.events")" \
		"$(comm -23 stored <(sort -u "$2.events") | wc -l)" "$(($(wc -l <"$2.events") - $(sort -u "$2.events" | wc -l)))"
}

inside() {
	local count=$1 pids=() writers=() writer
	cd /tmp
	printf '[engine]\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n' >/etc/containers/containers.conf.d/recording.conf
	mkdir root && cp /bin/busybox root/app && tar -C root -c . | podman import --quiet - localhost/app:1 >/dev/null
	podman system service --time 0 unix:///run/podman.sock 2>service.log &
	pids+=($!)
	eventsvc serve 2>serve.log &
	pids+=($!)
	until [[ -S /run/podman.sock && -S /run/eventsvc/io.podman.events ]]; do sleep 0.1; done

	podman events --format json >podman.out 2>&1 &
	pids+=($!)
	api -N 'http://d/v5.0.0/libpod/events?stream=true' >socket.out 2>/dev/null &
	pids+=($!)
	eventsvc events --format json >eventsvc.out &
	pids+=($!)
	# Each follows once it has printed an event; those until then are not counted.
	local n=0 file
	for file in podman socket eventsvc; do
		until [[ -s $file.out ]]; do
			podman volume create "first-$((n++))" >/dev/null
			sleep 0.3
		done
	done

	for writer in 1 2; do
		produce "$writer" $((count / 4)) >"stored.$writer" &
		writers+=($!)
	done
	wait "${writers[@]}"
	podman volume create end >/dev/null
	for file in eventsvc podman socket; do settle "$file.out"; done
	sort stored.* >stored

	podman --version
	eventsvc --version
	printf '%d events stored, the log rotated %d times at Podman'\''s default size\n\n' "$(wc -l <stored)" \
		"$(jq -r 'select(.Attributes["io.podman.event.rotate"] == "end") | .Status' eventsvc.out | wc -l)"
	printf '%-24s %8s %8s %9s\n' '' printed missed repeated
	judge 'podman events' podman.out
	judge 'podman.socket, /events' socket.out
	judge 'eventsvc events' eventsvc.out
	kill "${pids[@]}"
	wait
}

if [[ ${1-} == inside ]]; then
	inside "$2"
else
	record "$@"
fi
