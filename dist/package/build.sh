#!/usr/bin/env bash
# Builds the packages, deb and rpm, into dist/out; "make packages" calls it. The same commit gives the same bytes, on whatever day and
# in whatever directory, as long as Go and the compiler are the same.
#
#   dist/package/build.sh [ARCH...]        default: the machine's own; amd64 and arm64 are known
#   OUT=DIR                                puts them elsewhere
#
# It needs a C compiler and the headers of libsystemd, which the journal is read through (the library itself is loaded when it is
# needed, so that the package does without it); for the other architecture its cross compiler (Debian: gcc-aarch64-linux-gnu
# and libc6-dev-arm64-cross). GO and NFPM come from the Makefile; TAGS overrules the build tags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

go=${GO:-go}
nfpm=${NFPM:-bin/nfpm}
out=$(realpath -m "${OUT:-dist/out}")
# The time of the last commit stands in for "now" wherever a time gets into a package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
VERSION=$(dist/package/version.sh)
export SOURCE_DATE_EPOCH VERSION
export TZ=UTC LC_ALL=C
umask 022

mkdir -p "$out"
rm -f "$out"/{cockpit-,}eventsvc[-_]*.{deb,rpm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

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

# build ARCH: stages the program in $work/ARCH.
build() {
	local arch=$1 stage=$work/$1 cc include=
	mkdir -p "$stage"
	cc=$(compiler "$arch")
	if ! command -v "$cc" >/dev/null; then
		echo "cannot build for $arch: there is no $cc; on Debian: apt-get install $(cc_package "$arch")" >&2
		return 1
	fi
	# The headers of libsystemd are the same for every machine, those beside them are not.
	if [[ $arch != "$host" ]]; then
		include=-I$out/include
		mkdir -p "$out/include"
		ln -sfn /usr/include/systemd "$out/include/systemd"
	fi
	# -s -w: no symbols for a debugger; the stacks that Go prints stay as they are.
	local program
	for program in eventsvc eventsvc-updater; do
		GOARCH=$arch CGO_ENABLED=1 CC=$cc CGO_CFLAGS="-O2 -g0 -ffile-prefix-map=$PWD=. $include" \
			$go build -trimpath -buildvcs=false -buildmode=pie -tags "${TAGS-systemd}" \
			-ldflags "-s -w -buildid= -linkmode=external -extldflags=-Wl,-z,relro,-z,now -X github.com/eventsvc/eventsvc/internal/version.Version=$VERSION" \
			-o "$stage/$program" "./cmd/$program"
	done
	rm -rf "$out/include"
}

# glibc FILE: the oldest release of the C library that a program runs with.
glibc() { grep -aoE 'GLIBC_2\.[0-9]+' "$1" | sed 's/GLIBC_//' | sort -Vu | tail -n 1; }

# common: what is the same on every architecture; the program that is asked for its completions is that of this machine.
common() {
	local stage=$work/common shell
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
	cp dist/package/copyright "$stage/doc/"
	cp docs/*.md "$stage/doc/"
	cp docs/hooks/* "$stage/hooks/"
	cp docs/recipes/* dist/metrics/* "$stage/recipes/"
	changelog eventsvc | gzip -9n >"$stage/doc/changelog.gz"
}

# changelog PACKAGE
changelog() {
	cat <<-TEXT
		$1 ($VERSION) unstable; urgency=medium

		  * Built from commit $(git rev-parse HEAD).

		 -- eventsvc maintainers <eventsvc@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
	TEXT
}

# documentation: an entry of the recipe for each page.
documentation() {
	local file section
	for file in "$work"/common/man/*.gz; do
		section=${file%.gz}
		section=${section##*.}
		echo "  - {src: $file, dst: /usr/share/man/man$section/${file##*/}, type: doc, packager: rpm}"
	done
	for file in "$work"/common/doc/*.md; do
		echo "  - {src: $file, dst: /usr/share/doc/eventsvc/${file##*/}, type: doc, packager: rpm}"
	done
	for file in "$work"/common/hooks/*; do
		echo "  - {src: $file, dst: /usr/share/doc/eventsvc/hooks/${file##*/}, type: doc, packager: rpm}"
	done
	for file in "$work"/common/recipes/*; do
		echo "  - {src: $file, dst: /usr/share/doc/eventsvc/recipes/${file##*/}, type: doc, packager: rpm}"
	done
}

rpm_changelog() {
	cat <<-TEXT
		- semver: "$VERSION-1"
		  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
		  packager: eventsvc maintainers <eventsvc@users.noreply.github.com>
		  changes:
		    - note: Built from commit $(git rev-parse HEAD).
	TEXT
}

common
for arch in "$@"; do
	build "$arch"
	find "$work/common" "$work/$arch" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	GLIBC=$(glibc "$work/$arch/eventsvc")
	export GLIBC ARCH=$arch
	# nfpm writes the licence into a field that Debian does not know; there it is in the file copyright.
	sed "/^license:/d; s|dist/out/|$work/|" dist/package/nfpm.yaml >"$work/$arch/deb.yaml"
	"$nfpm" package --config "$work/$arch/deb.yaml" --packager deb --target "$out/" >&2
	documentation >"$work/$arch/documentation"
	# The first line of the description is Debian's summary; rpm has one of its own.
	sed "/# DOCUMENTATION/r $work/$arch/documentation
		/^description:/{n;d}
		s|dist/out/|$work/|" dist/package/nfpm.yaml >"$work/$arch/rpm.yaml"
	echo "changelog: $work/$arch/changelog.yaml" >>"$work/$arch/rpm.yaml"
	rpm_changelog >"$work/$arch/changelog.yaml"
	"$nfpm" package --config "$work/$arch/rpm.yaml" --packager rpm --target "$out/" >&2
done

# The Cockpit page, the same everywhere. cockpit/ holds nothing but its files.
cp -r cockpit "$work/cockpit"
mkdir "$work/cockpit-doc"
changelog cockpit-eventsvc | gzip -9n >"$work/cockpit-doc/changelog.gz"
find "$work/cockpit" "$work/cockpit-doc" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
sed "/^license:/d; s|dist/out/|$work/|" dist/package/nfpm-cockpit.yaml >"$work/cockpit-deb.yaml"
sed "/^description:/{n;d}; s|dist/out/|$work/|; s|^arch: all|arch: noarch|" dist/package/nfpm-cockpit.yaml >"$work/cockpit-rpm.yaml"
rpm_changelog >"$work/cockpit-changelog.yaml"
echo "changelog: $work/cockpit-changelog.yaml" >>"$work/cockpit-rpm.yaml"
for packager in deb rpm; do
	"$nfpm" package --config "$work/cockpit-$packager.yaml" --packager "$packager" --target "$out/" >&2
done
(cd "$out" && ls -- *.deb *.rpm && sha256sum -- *.deb *.rpm >SHA256SUMS)
