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

log=$(mktemp)
trap 'rm -f "$log"' EXIT

fuzz() {
	go test -tags "${TAGS:-}" -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-30s}" -fuzzminimizetime 50x "$1" </dev/null 2>&1 | tee "$log"
}

# Go's fuzzer now and then reports its own deadline as a failure, without an input that fails. Only that is tried again.
fuzz_again() {
	if ! grep -q 'context deadline exceeded' "$log" || grep -q 'Failing input written' "$log"; then
		return 1
	fi
	echo "fuzz: $2 of $1 failed by the fuzzer's own deadline, once more" >&2
	fuzz "$1" "$2"
}

count=0
while read -r package function; do
	[[ -n $package ]] || continue
	count=$((count + 1))
	# -run '^$': the ordinary tests have their own command. </dev/null: go must not eat the list.
	fuzz "$package" "$function" || fuzz_again "$package" "$function"
done < <(targets)
echo "fuzz: $count targets, ${FUZZTIME:-30s} each, no failure"
