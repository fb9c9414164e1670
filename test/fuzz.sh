#!/usr/bin/env bash
# Fuzzes every Fuzz function of the tree, one after the other, each for FUZZTIME (default 30s). Stops at the first that
# fails; Go then has written the input under that package's testdata/fuzz, to be committed with the fix.
#
#   test/fuzz.sh             run them
#   test/fuzz.sh --list      print "PACKAGE FUNCTION" of each
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# From the source, not from "go test -list": that would build every test binary of the tree just to ask.
targets() {
	grep -rE --include='*_test.go' --exclude-dir=.git '^func Fuzz[A-Z0-9_][A-Za-z0-9_]*\(' . |
		sed -E 's|^(.*)/[^/]*_test\.go:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' | sort -u || true
}

if [[ ${1:-} == --list ]]; then
	targets
	exit 0
fi

count=0
while read -r package function; do
	[[ -n $package ]] || continue
	count=$((count + 1))
	# -run '^$': the ordinary tests have their own command. </dev/null: go must not eat the list.
	go test -run '^$' -fuzz "^$function\$" -fuzztime "${FUZZTIME:-30s}" "$package" </dev/null
done < <(targets)
echo "fuzz: $count targets, ${FUZZTIME:-30s} each, no failure"
