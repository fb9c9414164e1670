#!/usr/bin/env bash
# Builds programs for any Linux into dist/out: for each architecture an archive with both programs, linked statically, and for each
# program the list of the modules in it, in the format CycloneDX. "make static" calls it. The same commit gives the same bytes, at
# any time and in any directory, if Go is the same.
#
#   dist/package/static.sh [ARCH...]       default: the machine's own; any that Go knows
#   OUT=DIR                                puts them elsewhere
#
# Pure Go, which needs no C compiler, and no library of the host when it runs; without libsystemd the journal cannot be read.
# GO and CYCLONEDX come from the Makefile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

go=${GO:-go}
cyclonedx=${CYCLONEDX:-bin/cyclonedx-gomod}
out=$(realpath -m "${OUT:-dist/out}")
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(dist/package/version.sh)
export TZ=UTC LC_ALL=C CGO_ENABLED=0
umask 022

mkdir -p "$out"
rm -f "$out"/eventsvc*-linux-*.{tar.gz,cdx.json}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if (($# == 0)); then
	set -- "$($go env GOHOSTARCH)"
fi
GO=$go dist/package/third-party.sh texts >"$work/third-party.txt"
for arch in "$@"; do
	name=eventsvc-$version-linux-$arch
	mkdir "$work/$name"
	for program in eventsvc eventsvc-updater; do
		GOOS=linux GOARCH=$arch $go build -trimpath -buildvcs=false \
			-ldflags "-s -w -buildid= -X github.com/eventsvc/eventsvc/internal/version.Version=$version" \
			-o "$work/$name/$program" "./cmd/$program"
		# A serial number and the time would be different each time. -std: Go's own library has advisories, too.
		"$cyclonedx" bin -json -std -noserial -notimestamp -version "$version" \
			-output "$out/$program-$version-linux-$arch.cdx.json" "$work/$name/$program"
	done
	cp LICENSE "$work/third-party.txt" dist/eventsvc.toml dist/Containerfile "$work/$name/"
	tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" -c "$name" | gzip -9n >"$out/$name.tar.gz"
done
