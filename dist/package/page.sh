#!/usr/bin/env bash
# Puts the Cockpit page where the recipe of its packages, nfpm-cockpit.yaml, looks for it: compressed, as Cockpit's own pages are
# installed. Cockpit sends such files to the browser as they are. It reads a manifest only as a plain file.
#
#   dist/package/page.sh DIR
set -euo pipefail
dir=$(realpath -m "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../../cockpit"
umask 022

mkdir -p "$dir"
for file in *; do
	if [[ $file == manifest.json ]]; then
		cp "$file" "$dir/"
	else
		gzip -9nc "$file" >"$dir/$file.gz"
	fi
done
