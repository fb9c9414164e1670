#!/usr/bin/env bash
# Builds what the packages hold, and puts it where their recipe, nfpm.yaml, looks for it. build.sh makes deb and rpm of it; the source
# packages do the same on machines that build for a distribution, where there is no git and no network.
#
#   dist/package/stage.sh DIR [ARCH...]    default: the machine's own; amd64 and arm64 are known
#
# It needs a C compiler and the headers of libsystemd, which the journal is read through (the library itself is loaded when it is
# needed, so that the package does without it); for the other architecture its cross compiler (Debian: gcc-aarch64-linux-gnu
# and libc6-dev-arm64-cross). VERSION, SOURCE_DATE_EPOCH and GO come from the caller; TAGS overrules the build tags.
set -euo pipefail
stages=$(realpath -m "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

go=${GO:-go}
: "${VERSION:?}" "${SOURCE_DATE_EPOCH:?}"
export TZ=UTC LC_ALL=C
umask 022

host=$($go env GOHOSTARCH)
if (($# == 0)); then
	set -- "$host"
fi

# compiler ARCH: the C compiler for it.
compiler() {
	case $1 in
	"$host") echo "${CC:-gcc}" ;;
	amd64) echo x86_64-linux-gnu-gcc ;;
	arm64) echo aarch64-linux-gnu-gcc ;;
	*)
		echo "cannot build for $1: amd64 and arm64 are known" >&2
		return 1
		;;
	esac
}

cc_package() {
	case $1 in
	"$host") echo gcc libc6-dev libsystemd-dev ;;
	amd64) echo gcc-x86-64-linux-gnu libc6-dev-amd64-cross libsystemd-dev ;;
	arm64) echo gcc-aarch64-linux-gnu libc6-dev-arm64-cross libsystemd-dev ;;
	esac
}

# build ARCH: stages the programs in DIR/ARCH.
build() {
	local arch=$1 stage=$stages/$1 cc include=
	mkdir -p "$stage"
	cc=$(compiler "$arch")
	if ! command -v "$cc" >/dev/null; then
		echo "cannot build for $arch: there is no $cc; on Debian: apt-get install $(cc_package "$arch")" >&2
		return 1
	fi
	# The headers of libsystemd are the same for every machine, those beside them are not.
	if [[ $arch != "$host" ]]; then
		include=-I$stages/include
		mkdir -p "$stages/include"
		ln -sfn /usr/include/systemd "$stages/include/systemd"
	fi
	# -s -w: no symbols for a debugger; the stacks that Go prints stay as they are.
	local program
	for program in eventsvc eventsvc-updater; do
		GOARCH=$arch CGO_ENABLED=1 CC=$cc CGO_CFLAGS="-O2 -g0 -ffile-prefix-map=$PWD=. $include" \
			$go build -trimpath -buildvcs=false -buildmode=pie -tags "${TAGS-systemd}" \
			-ldflags "-s -w -buildid= -linkmode=external -extldflags=-Wl,-z,relro,-z,now -X github.com/eventsvc/eventsvc/internal/version.Version=$VERSION" \
			-o "$stage/$program" "./cmd/$program"
	done
	rm -rf "$stages/include"
}

# common: what is the same on every architecture; the program that is asked for its completions is that of this machine.
common() {
	local stage=$stages/common shell
	mkdir -p "$stage"/{man,completion,doc,recipes,hooks,dbus}
	CGO_ENABLED=0 $go build -buildvcs=false -o "$stage/eventsvc" ./cmd/eventsvc
	for shell in bash zsh fish; do
		"$stage/eventsvc" completion "$shell" >"$stage/completion/$shell"
	done
	rm "$stage/eventsvc"
	CGO_ENABLED=0 $go run ./dist/man -date "$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)" -version "$VERSION" "$stage/man"
	gzip -9n "$stage"/man/*
	local xml
	for xml in dbus/io.podman.Events1.xml internal/autoupdate/dbus/io.podman.AutoUpdate1.xml; do
		{
			echo '<!DOCTYPE node PUBLIC "-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"'
			echo ' "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">'
			echo '<node>'
			cat "$xml"
			echo '</node>'
		} >"$stage/dbus/${xml##*/}"
	done
	GO=$go dist/package/third-party.sh texts >"$stage/third-party.txt"
	cp docs/*.md "$stage/doc/"
	cp docs/hooks/* "$stage/hooks/"
	cp docs/recipes/* dist/metrics/* "$stage/recipes/"
}

# documentation: an entry of the recipe for each page.
documentation() {
	local file section
	for file in "$stages"/common/man/*.gz; do
		section=${file%.gz}
		section=${section##*.}
		echo "  - {src: $file, dst: /usr/share/man/man$section/${file##*/}, type: doc, packager: rpm}"
	done
	for file in "$stages"/common/doc/*.md; do
		echo "  - {src: $file, dst: /usr/share/doc/eventsvc/${file##*/}, type: doc, packager: rpm}"
	done
	for file in "$stages"/common/hooks/*; do
		echo "  - {src: $file, dst: /usr/share/doc/eventsvc/hooks/${file##*/}, type: doc, packager: rpm}"
	done
	for file in "$stages"/common/recipes/*; do
		echo "  - {src: $file, dst: /usr/share/doc/eventsvc/recipes/${file##*/}, type: doc, packager: rpm}"
	done
}

common
dist/package/page.sh "$stages/cockpit"
documentation >"$stages/documentation"
for arch in "$@"; do
	build "$arch"
done
