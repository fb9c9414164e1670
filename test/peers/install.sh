#!/usr/bin/env bash
# Installs the real peers of the end-to-end tests from Debian 12: Podman and the runtimes it needs to run a container, the
# bus daemon and its command line tools, journald's tools, and what builds a Debian tree. Root only; running it again does nothing.
#
#   test/peers/install.sh
set -euo pipefail

packages=(
	# Podman 4.3.1. Both runtimes are tried by podman-env.sh; iptables and the CNI plugins come as dependencies.
	podman crun runc
	# dbus-daemon without the package dbus: that one starts a system bus, and the tests start buses of their own.
	dbus-daemon dbus-bin dbus-system-bus-common dbus-session-bus-common
	# gdbus, and GLib from Python as a second, independent kind of D-Bus client.
	libglib2.0-bin python3 python3-gi gir1.2-glib-2.0
	# systemd-nspawn, busctl, systemd-analyze; systemd-journal-remote makes fixture journals.
	systemd systemd-container systemd-journal-remote
	# The trixie tree of trixie.sh; binutils has the ar that debootstrap falls back to.
	debootstrap debian-archive-keyring binutils
	# The image that containers run from, and what tests use to look at answers.
	busybox-static jq socat procps
	# A C compiler for the race detector and for the build tag systemd, a linter for these scripts.
	gcc libc6-dev libsystemd-dev pkg-config shellcheck
	# The registry that auto-update is tested with.
	docker-registry
	# What lets system calls of the daemon fail.
	strace
	ca-certificates git make
	# A terminal, to look at what is painted.
	tmux
	# What scrapes the metrics, also as a text file, and checks the alert rules.
	prometheus prometheus-node-exporter
	# An MQTT client, and what a host is reached by, for the events of a fleet.
	mosquitto-clients openssh-server openssh-client
	# What looks at the packages that "make packages" builds.
	lintian rpm debhelper dpkg-dev groff-base mandoc appstream
)

if [[ ! -r /etc/debian_version ]]; then
	echo "cannot install the test peers: this is not Debian; install these by hand: ${packages[*]}" >&2
	exit 1
fi

missing=()
for package in "${packages[@]}"; do
	state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
	[[ $state == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
	echo "peers: all packages are installed"
	exit 0
fi
if ((EUID != 0)); then
	echo "cannot install ${missing[*]}: run test/peers/install.sh as root" >&2
	exit 1
fi

# An old package list may name files that the mirror no longer has. So the lists are fetched, but only when something is
# missing. If a third party's source does not respond, that is no reason to stop: apt-get install fails if it matters.
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet || echo "peers: some package lists could not be fetched, going on with what there is" >&2

# No service may start beside the tests: exit code 101 forbids every start. An administrator's own policy file is not changed.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
	trap 'rm -f "$policy"' EXIT
fi

echo "peers: installing ${missing[*]}"
apt-get install --yes --quiet --no-install-recommends \
	-o Acquire::Retries=3 -o Dpkg::Options::=--force-confold "${missing[@]}"
