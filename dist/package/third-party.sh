#!/usr/bin/env bash
# Prints which Go modules the programs are linked with, and under which licences. A copy of the programs must come with the texts of
# these licences, so every package, archive and image has them.
#
#   dist/package/third-party.sh list        module, version and licence (SPDX) of each, one a line
#   dist/package/third-party.sh expression  all licences, as the field License of an rpm has them
#   dist/package/third-party.sh provides    lines for the spec: Provides: bundled(golang(MODULE)) = VERSION
#   dist/package/third-party.sh texts       the list, and then every text once
#
# It needs the modules, from the cache or in vendor/, and fails for a licence that it does not know. GO comes from the Makefile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
go=${GO:-go}
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# terms FILE: the licences that a text has, one a line.
terms() {
	local text
	text=$(tr -s '[:space:]' ' ' <"$1")
	case $text in *'Apache License'*'Version 2.0'*) echo Apache-2.0 ;; esac
	case $text in *'Permission is hereby granted, free of charge'*) echo MIT ;; esac
	case $text in
	*'Redistribution and use'*'either the name'* | *'Redistribution and use'*'ames of'*'may not be used to endorse'*) echo BSD-3-Clause ;;
	*'Redistribution and use in source and binary forms'*) echo BSD-2-Clause ;;
	esac
	case $text in *'Permission to use, copy, modify, and/or distribute this software'* | *'Permission to use, copy, modify, and distribute this software'*) echo ISC ;; esac
	case $text in *'Mozilla Public License'*) echo MPL-2.0 ;; esac
}

# Each package with its module; Go's own library is in no module.
packages() {
	GOOS=linux $go list -deps -tags systemd \
		-f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{$.ImportPath}} {{$.Dir}}{{end}}{{end}}' ./cmd/eventsvc ./cmd/eventsvc-updater
}

# The directory of a package, and those above it up to the module, may have licences of their own.
packages | while read -r module version package dir; do
	below=${package#"$module"}
	root=${dir%"$below"}
	while :; do
		for file in "$dir"/{LICEN[CS]E,COPYING,COPYRIGHT,NOTICE}*; do
			[[ ! -f $file || $file == *.go ]] || echo "$module $version $file ${file#"$root"/}"
		done
		[[ $dir != "$root" ]] || break
		dir=${dir%/*}
	done
done | sort -u >"$work/files"

while read -r module version file _; do
	terms "$file" | sed "s|^|$module $version |"
done <"$work/files" | sort -u >"$work/terms"
missing=$(join -v 1 <(packages | cut -d' ' -f 1 | sort -u) <(cut -d' ' -f 1 "$work/terms" | sort -u))
if [[ -n $missing ]]; then
	echo "cannot say under which licence these modules are: ${missing//$'\n'/ }" >&2
	exit 1
fi

list() {
	awk '{ key = $1 " " $2; all[key] = all[key] (all[key] == "" ? "" : " AND ") $3 } END { for (key in all) print key, all[key] }' "$work/terms" | sort
}

case ${1-} in
list) list ;;
expression) { cut -d' ' -f 3 "$work/terms" && echo Apache-2.0; } | sort -u | sed -e ':a' -e 'N;s/\n/ AND /;ta' ;;
provides) list | awk '{ sub(/^v/, "", $2); gsub(/-/, "~", $2); print "Provides:       bundled(golang(" $1 ")) = " $2 }' ;;
texts)
	echo "The programs of eventsvc contain these Go modules, and the library of Go, whose licence is that of golang.org/x/sys."
	echo
	list
	# Equal texts once, with all modules that have them.
	while read -r module _ file place; do
		echo "$(sha256sum <"$file" | cut -d' ' -f 1) $module/$place $file"
	done <"$work/files" | sort | awk '
		$1 != last { if (last != "") print names, path; last = $1; names = ""; path = $3 }
		{ names = names (names == "" ? "" : ",") $2 }
		END { if (last != "") print names, path }' | sort | while read -r names file; do
		printf '\n%s\n%s\n\n' "$(printf '=%.0s' {1..80})" "$(tr ',' '\n' <<<"$names")"
		cat "$file"
	done
	;;
*)
	echo "usage: dist/package/third-party.sh list|expression|provides|texts" >&2
	exit 1
	;;
esac
