#!/usr/bin/env bash
# Builds the packages, deb and rpm, into dist/out; "make packages" calls it. The same commit gives the same bytes, at any time and in
# any directory, if Go and the compiler are the same.
#
#   dist/package/build.sh [ARCH...]        default: the machine's own; amd64 and arm64 are known
#   OUT=DIR                                puts them elsewhere
#
# stage.sh, which it calls, has what it needs. GO and NFPM come from the Makefile; TAGS overrules the build tags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

go=${GO:-go}
nfpm=${NFPM:-bin/nfpm}
out=$(realpath -m "${OUT:-dist/out}")
# Wherever a package has a time, it is that of the last commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
VERSION=$(dist/package/version.sh)
export SOURCE_DATE_EPOCH VERSION
export TZ=UTC LC_ALL=C
umask 022

mkdir -p "$out"
rm -f "$out"/{cockpit-,}eventsvc[-_]*.{deb,rpm}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if (($# == 0)); then
	set -- "$($go env GOHOSTARCH)"
fi

# glibc FILE: the oldest release of the C library that a program runs with.
glibc() { grep -aoE 'GLIBC_2\.[0-9]+' "$1" | sed 's/GLIBC_//' | sort -Vu | tail -n 1; }

# changelog PACKAGE
changelog() {
	cat <<-TEXT
		$1 ($VERSION) unstable; urgency=medium

		  * Built from commit $(git rev-parse HEAD).

		 -- eventsvc maintainers <eventsvc@users.noreply.github.com>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
	TEXT
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

licenses=$(GO=$go dist/package/third-party.sh expression)
GO=$go dist/package/stage.sh "$work" "$@"
cp dist/package/copyright "$work/common/doc/"
changelog eventsvc | gzip -9n >"$work/common/doc/changelog.gz"
for arch in "$@"; do
	find "$work/common" "$work/$arch" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
	GLIBC=$(glibc "$work/$arch/eventsvc")
	export GLIBC ARCH=$arch
	# nfpm writes the licence into a field that Debian does not know; there it is in the file copyright.
	sed "/^license:/d; s|dist/out/|$work/|" dist/package/nfpm.yaml >"$work/$arch/deb.yaml"
	"$nfpm" package --config "$work/$arch/deb.yaml" --packager deb --target "$out/" >&2
	# The first line of the description is Debian's summary; rpm has one of its own, and names the licences of all that is in it.
	sed "s|^license: .*|license: $licenses|
		/# DOCUMENTATION/r $work/documentation
		/^description:/{n;d}
		s|dist/out/|$work/|" dist/package/nfpm.yaml >"$work/$arch/rpm.yaml"
	echo "changelog: $work/$arch/changelog.yaml" >>"$work/$arch/rpm.yaml"
	rpm_changelog >"$work/$arch/changelog.yaml"
	"$nfpm" package --config "$work/$arch/rpm.yaml" --packager rpm --target "$out/" >&2
done

# The Cockpit page, the same everywhere.
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
