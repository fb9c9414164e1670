#!/usr/bin/env bash
# Makes a real Podman on private storage in DIR cause some 70 events of containers, images, pods, volumes, networks and the system,
# with labels and exit codes, and prints the path of the event log.
#
#   test/peers/produce.sh DIR [PREFIX]
#
# Only the events and the test image remain afterwards, so it may be called repeatedly with one DIR: each round adds as many
# lines. PREFIX (default: demo) begins its names. It must not run twice at the same time in one DIR: the rounds would rename each
# other's image. The number of lines varies by a few, because some clean-ups are reported twice.
#
# If no container can be run, that part is skipped with a message on stderr; with EVENTSVC_REQUIRE_PEERS=1 it is a failure.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=podman-env.sh
source "$here/podman-env.sh" "${1:-}"
name=${2:-demo}

# Podman prints IDs, which must not get into stdout. A missing image is a mistake, not a reason to pull.
quiet() { podman_ "$@" >/dev/null; }
create=(create --pull=never)
run=(run --pull=never)
scratch=$(mktemp -d "$PODMAN_DIR/tmp/produce.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

podman_image
image=$PODMAN_IMAGE

# Volumes: one with a label, one whose name begins like the other's.
quiet volume create --label "tier=data base" "$name-vol"
quiet volume create "$name-vol2"
quiet volume rm "$name-vol2"

# Images: names are added and removed, an archive is written and read.
quiet tag "$image" "localhost/$name:1"
quiet tag "$image" "localhost/$name:2"
quiet untag "localhost/$name:2" "localhost/$name:2"
quiet save --quiet --output "$scratch/image.tar" "localhost/$name:1"
quiet load --quiet --input "$scratch/image.tar"

# A container that never runs. Its labels hold what JSON, HTML and shells each treat specially.
quiet "${create[@]}" --name "$name-idle" --label app=shop --label 'odd=<&> "quoted", a=b, ü' "$image" true
quiet rename "$name-idle" "$name-renamed"
quiet network create "$name-net"
quiet "${create[@]}" --name "$name-joined" --net "$name-net" "$image" true
quiet network create "$name-net2"
quiet network connect "$name-net2" "$name-joined"
quiet network disconnect "$name-net2" "$name-joined"
quiet rm "$name-joined"
quiet network rm "$name-net" "$name-net2"

# A pod without the pause container, which would have to be pulled.
quiet pod create --infra=false --label team=red --name "$name-pod"
quiet "${create[@]}" --pod "$name-pod" --name "$name-member" "$image" sleep 1000

if podman_can_run; then
	# Exit codes: 0, which older Podmans leave out of the line, and 7.
	quiet "${run[@]}" --name "$name-ok" "$image" true
	code=0
	quiet "${run[@]}" --rm --name "$name-exit" --label app=shop "$image" sh -c 'exit 7' || code=$?
	if ((code != 7)); then
		echo "cannot produce events: a container that exits with 7 made podman run exit with $code" >&2
		exit 1
	fi
	quiet "${run[@]}" --detach --name "$name-long" --label app=shop "$image" sleep 1000
	quiet exec "$name-long" true
	code=0
	quiet exec "$name-long" false || code=$?
	quiet commit --quiet "$name-long" "localhost/$name:snapshot"
	quiet restart --time 0 "$name-long"
	quiet kill --signal KILL "$name-long"
	code=$(podman_ wait "$name-long")
	if ((code != 137)); then
		echo "cannot produce events: a killed container has the exit code $code, not 137" >&2
		exit 1
	fi
	quiet pod start "$name-pod"
	quiet pod stop --time 0 "$name-pod"
	podman_settle
	quiet rm "$name-long" "$name-ok"
	quiet rmi "localhost/$name:snapshot"
elif [[ -n ${EVENTSVC_REQUIRE_PEERS:-} ]]; then
	echo "cannot produce events: no container can be run on this machine (${EVENTSVC_RUNTIME:-runc}; the reason is above)" >&2
	exit 1
else
	echo "peers: no container can be run on this machine, going on without" >&2
fi

quiet pod rm --force "$name-pod"
quiet rm "$name-renamed"
quiet volume rm "$name-vol"
quiet untag "localhost/$name:1" "localhost/$name:1"
quiet system renumber
podman_settle

echo "$PODMAN_LOG"
