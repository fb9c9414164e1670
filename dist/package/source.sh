#!/usr/bin/env bash
# Makes what distributions build from, without network: the source, the modules that it needs, and of both a source package for
# Fedora (where there is rpmbuild) and for Debian (where there is dpkg-source). "make source" calls it; docs/packaging.md describes it.
#
#   dist/package/source.sh
#   OUT=DIR                                puts them elsewhere than in dist/out
#
# The same commit gives the same archives, on whatever day and in whatever directory. GO comes from the Makefile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

go=${GO:-go}
out=$(realpath -m "${OUT:-dist/out}")
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
version=$(dist/package/version.sh)
commit=$(git rev-parse HEAD)
export TZ=UTC LC_ALL=C SOURCE_DATE_EPOCH=$epoch
umask 022

mkdir -p "$out"
rm -rf "$out"/eventsvc.spec "$out"/eventsvc*.{src.rpm,dsc,debian.tar.xz} "$out"/eventsvc*{vendor,orig*}.tar.gz "$out/eventsvc-$version.tar.gz"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree=$work/eventsvc-$version
source=$out/eventsvc-$version.tar.gz
vendor=$out/eventsvc-$version-vendor.tar.gz

archive() { tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX --mtime="@$epoch" -C "$work" -c "$1" | gzip -9n; }

mkdir "$tree"
git ls-files -z -co --exclude-standard | tar --null -T - -c | tar -C "$tree" -x
archive "eventsvc-$version" >"$source"
$go mod vendor -o "$work/vendor"
archive vendor >"$vendor"

# description RECIPE: what comes after the summary, as a Debian control file has it.
description() { sed -n '/^description:/,/^[^ d]/{/^description:/d; /^[^ ]/d; s/^  //; p}' "$1" | sed '1d; /./,$!d; s/^$/./; s/^/ /' | sed -e ':a' -e '/^ \.\n*$/{$d;N;ba' -e '}'; }
licenses=$(GO=$go dist/package/third-party.sh expression)
GO=$go dist/package/third-party.sh provides >"$work/provides"
description dist/package/nfpm.yaml >"$work/description"
description dist/package/nfpm-cockpit.yaml >"$work/description-cockpit"

# fill FILE: a template with what is known of this version.
fill() {
	sed "s/@LICENSES@/$licenses/g; s/@VERSION@/$version/g; s/@EPOCH@/$epoch/g; s/@COMMIT@/$commit/g; s/@GO@/$(awk '$1 == "go" { print $2 }' go.mod)/g
		s/@RPMDATE@/$(date -u -d "@$epoch" '+%a %b %d %Y')/g; s/@DATE@/$(date -u -R -d "@$epoch")/g
		/@PROVIDES@/{r $work/provides
d}
		/@DESCRIPTION@/{r $work/description$2
d}
		/@DESCRIPTION-COCKPIT@/{r $work/description-cockpit$2
d}" "$1"
}

# Fedora.
for file in "$work/description" "$work/description-cockpit"; do
	sed 's/^ //; s/^\.$//' "$file" >"$file.rpm"
done
fill dist/package/rpm/eventsvc.spec .rpm >"$out/eventsvc.spec"
if command -v rpmbuild >/dev/null; then
	rpmbuild --quiet -bs --nodeps --define "_topdir $work/rpm" --define "_sourcedir $out" --define "_srcrpmdir $out" \
		--define '_buildhost localhost' --define 'use_source_date_epoch_as_buildtime 1' "$out/eventsvc.spec"
else
	echo "no source rpm: there is no rpmbuild here" >&2
fi

# Debian: the archives under its names, and the directory debian.
if command -v dpkg-source >/dev/null; then
	cp "$source" "$work/eventsvc_$version.orig.tar.gz"
	cp "$vendor" "$work/eventsvc_$version.orig-vendor.tar.gz"
	cp -r "$work/vendor" "$tree/vendor"
	mkdir -p "$tree/debian/source"
	for file in control changelog; do
		fill "dist/package/debian/$file" '' >"$tree/debian/$file"
	done
	cp dist/package/debian/rules "$tree/debian/"
	cp dist/package/debian/source/* "$tree/debian/source/"
	cp dist/package/copyright "$tree/debian/"
	for file in postinst prerm postrm; do
		{ cat "dist/package/deb/$file" && printf '\n#DEBHELPER#\n'; } >"$tree/debian/eventsvc.$file"
	done
	find "$tree/debian" -exec touch -d "@$epoch" {} +
	(cd "$work" && dpkg-source -b "eventsvc-$version" >/dev/null)
	mv "$work"/*.{dsc,debian.tar.xz} "$work"/eventsvc_*.orig*.tar.gz "$out/"
else
	echo "no Debian source package: there is no dpkg-source here" >&2
fi
(cd "$out" && ls -- *.spec *.src.rpm *.dsc ./*"$version"*.tar.* 2>/dev/null)
