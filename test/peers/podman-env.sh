# shellcheck shell=bash
# To be sourced: makes Debian's Podman 4.3.1 keep everything below one directory, so that a test neither sees nor touches the
# machine's own containers. The caller's shell options stay as they are.
#
#   source test/peers/podman-env.sh DIR
#   podman_ volume create x        Podman on that storage; any podman started by this shell is bound to it too
#   podman_image                   makes the image $PODMAN_IMAGE (busybox) and nothing else: Podman pulls nothing here
#   podman_can_run                 succeeds if this machine can run a container
#   podman_settle [SECONDS]        waits until every container that ended is reported, so that the log has its last line
#   podman_clean                   removes what it holds and unmounts what it left; then DIR may be deleted
#   $PODMAN_LOG                    path of the event log
#
# Before sourcing: EVENTSVC_LOG_MAX_SIZE=2k makes Podman rotate its log often (default: Podman's own, 1 MB),
# EVENTSVC_RUNTIME names the OCI runtime, EVENTSVC_EVENTS_LOGGER=journald sends the events to the journal,
# EVENTSVC_NETWORK_BACKEND=netavark suits a Podman that knows no cni (podman5.sh).
#
# These were tried with 4.3.1 (root, Debian 12), and work with these settings:
#   volume create|rm|prune            image import|tag|untag|save|load|rmi|prune|build, commit
#   network create|connect|disconnect|rm (files only: a container joined to one was created, not started)
#   pod create --infra=false|start|pause|unpause|stop|kill|rm
#   container create|init|start|run|exec|pause|unpause|rename|mount|export|restart|kill|stop|wait|healthcheck run|cleanup|rm
#   system renumber, events --stream=false --format json
# These events are missing, although one would expect them: import (a tag event instead, and none without a name), export and
# cp, secrets, image prune that finds nothing. A run of an image named by tag writes "pull" after "create", but with an earlier time.
# untag IMAGE without names removes every name of the image: use untag NAME NAME.

if [[ -z ${1:-} ]]; then
	echo "cannot prepare Podman: say where to keep its storage: source test/peers/podman-env.sh DIR" >&2
	# shellcheck disable=SC2317 # reached when the file is executed instead of sourced
	return 2 2>/dev/null || exit 2
fi
if ! command -v podman >/dev/null; then
	echo "cannot prepare Podman: there is none; run test/peers/install.sh first" >&2
	# shellcheck disable=SC2317
	return 125 2>/dev/null || exit 125
fi

mkdir -p "$1"
PODMAN_DIR=$(cd "$1" && pwd -P)
PODMAN_LOG=$PODMAN_DIR/events/events.log
PODMAN_IMAGE=localhost/busybox:test
mkdir -p "$PODMAN_DIR"/{conf,root,tmp,net,events}

# Podman refuses a runroot of more than 50 characters, and directories of tests are longer: it gets a short name, always the same
# for the same DIR, in a directory that only this user may write to.
PODMAN_RUN=/run/eventsvc-peers
((EUID == 0)) || PODMAN_RUN=${XDG_RUNTIME_DIR:-/run/user/$EUID}/ev
PODMAN_RUN=$PODMAN_RUN/$(printf %s "$PODMAN_DIR" | sha256sum | cut -c1-12)
mkdir -p "$PODMAN_RUN"

# Named by CONTAINERS_CONF, this file replaces all others of the machine (4.3.1 knows no CONTAINERS_CONF_OVERRIDE).
#   runtime, cgroup_manager  crun 1.8.1 refuses hosts with both cgroup hierarchies mounted ("cgroups in hybrid mode not
#                            supported"), with --cgroups=disabled too; runc 1.1.5 runs there, and no systemd is needed
#   netns, default_ulimits   the host's network needs no bridge and no iptables; Podman's default limits are above what a
#                            restricted root may set
#   lock_type                the default, shm, is one table in /dev/shm for all of root's storages: a renumber in here
#                            would rearrange the locks of the machine's own containers
#   network_backend          given, so that Podman does not look for netavark and decide by what it finds
#   log_driver               the default of 4.3.1 may be journald, which may not be running
# Several processes may source this for one DIR at the same time: each writes a file of its own and renames it.
conf=$(mktemp "$PODMAN_DIR/conf/new.XXXXXX")
cat >"$conf" <<CONF
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"

[network]
network_backend = "${EVENTSVC_NETWORK_BACKEND:-cni}"
network_config_dir = "$PODMAN_DIR/net"

[engine]
runtime = "${EVENTSVC_RUNTIME:-runc}"
cgroup_manager = "cgroupfs"
lock_type = "file"
static_dir = "$PODMAN_DIR/root/libpod"
volume_path = "$PODMAN_DIR/root/volumes"
tmp_dir = "$PODMAN_DIR/tmp"
image_copy_tmp_dir = "$PODMAN_DIR/tmp"
events_logger = "${EVENTSVC_EVENTS_LOGGER:-file}"
events_logfile_path = "$PODMAN_LOG"
CONF
if [[ -n ${EVENTSVC_LOG_MAX_SIZE:-} ]]; then
	# The last table of the file is [engine].
	echo "events_logfile_max_size = \"$EVENTSVC_LOG_MAX_SIZE\"" >>"$conf"
fi
mv "$conf" "$PODMAN_DIR/conf/containers.conf"

# vfs copies instead of mounting: slow with big images, works everywhere, and leaves no mounts behind.
conf=$(mktemp "$PODMAN_DIR/conf/new.XXXXXX")
cat >"$conf" <<CONF
[storage]
driver = "vfs"
graphroot = "$PODMAN_DIR/root"
runroot = "$PODMAN_RUN"
CONF
mv "$conf" "$PODMAN_DIR/conf/storage.conf"
unset conf

# Exported for programs that start podman by themselves, and for the clean-up process that conmon starts when a container ends.
export CONTAINERS_CONF=$PODMAN_DIR/conf/containers.conf
export CONTAINERS_STORAGE_CONF=$PODMAN_DIR/conf/storage.conf
unset CONTAINER_HOST CONTAINER_CONNECTION PODMAN_CONNECTIONS_CONF STORAGE_DRIVER STORAGE_OPTS

# The flags repeat the files: if a Podman ignores one of the two, the other still keeps it within DIR.
PODMAN_FLAGS=(--root "$PODMAN_DIR/root" --runroot "$PODMAN_RUN" --tmpdir "$PODMAN_DIR/tmp"
	--storage-driver vfs --events-backend "${EVENTSVC_EVENTS_LOGGER:-file}")

podman_() {
	command podman "${PODMAN_FLAGS[@]}" "$@"
}

# The static busybox of Debian is a whole image: one file and a few names for it.
podman_image() {
	local busybox tree
	if podman_ image exists "$PODMAN_IMAGE"; then
		return 0
	fi
	busybox=$(command -v busybox) || {
		echo "cannot make the test image: there is no busybox; run test/peers/install.sh first" >&2
		return 125
	}
	tree=$(mktemp -d "$PODMAN_DIR/tmp/image.XXXXXX")
	mkdir "$tree/bin"
	cp "$busybox" "$tree/bin/busybox"
	local name
	for name in sh true false sleep echo cat; do
		ln "$tree/bin/busybox" "$tree/bin/$name"
	done
	tar -C "$tree" -cf - bin | podman_ import --quiet - "$PODMAN_IMAGE" >/dev/null
	rm -r "$tree"
}

# Runs one container on a temporary storage, so that the check leaves no event in $PODMAN_LOG.
podman_can_run() (
	probe=$(mktemp -d) || return 1
	# shellcheck disable=SC1090,SC1091 # this very file
	source "${BASH_SOURCE[0]}" "$probe" || return 1
	podman_image && podman_ run --rm --pull=never "$PODMAN_IMAGE" true
	result=$?
	podman_clean
	rm -rf --one-file-system "$probe"
	return $result
)

# When a container ends, conmon starts a podman that writes "died" and "cleanup"; no command waits for it. So look at the
# processes whose command lines name our directory (other storages have their own): a podman that cleans up, and a conmon
# whose container has ended, which shows in that it has no child. Running containers and followers may go on. The conmon
# of a detached exec lingers for minutes (--exit-delay) and reports nothing.
# shellcheck disable=SC2120 # the argument is for callers elsewhere
podman_settle() {
	local deadline=$((SECONDS + ${1:-20})) pid line busy
	while :; do
		busy=
		for pid in $(pgrep -x 'conmon|podman' || true); do
			line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" || true)
			case $line in
			*" $PODMAN_DIR/"*" --exit-delay "*) ;;
			*conmon*" $PODMAN_DIR/"*) [[ -n $(pgrep -P "$pid" || true) ]] || busy=$pid ;;
			*podman*" $PODMAN_DIR/"*" container cleanup "*) busy=$pid ;;
			esac
		done
		[[ -n $busy ]] || return 0
		if ((SECONDS >= deadline)); then
			echo "cannot see the end of the events: process $busy is still at work in $PODMAN_DIR" >&2
			return 1
		fi
		sleep 0.02
	done
}

podman_clean() {
	podman_ pod rm --all --force --time 0 >/dev/null 2>&1 || true
	podman_ rm --all --force --time 0 >/dev/null 2>&1 || true
	podman_settle || true
	# The deepest first.
	local mount
	while read -r mount; do
		umount "$mount" || true
	done < <(awk -v dir="$PODMAN_DIR/" -v run="$PODMAN_RUN/" \
		'index($2, dir) == 1 || index($2, run) == 1 { print $2 }' /proc/self/mounts | sort -r)
	rm -rf --one-file-system "$PODMAN_RUN"
}
