#!/usr/bin/env bash
# Fuzzes every Fuzz function of the tree, each for FUZZTIME (default 30s), FUZZJOBS of them at a time (default 1), and
# prints the output of each when it has ended. If one fails, Go has written the input to that package's testdata/fuzz; commit it
# with the fix.
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

FUZZTIME=${FUZZTIME:-30s}
jobs=${FUZZJOBS:-1}
parallel=$(($(nproc) / jobs))
export FUZZTIME parallel=$((parallel > 0 ? parallel : 1))

# fuzz PACKAGE FUNCTION. -run '^$': the ordinary tests have their own command.
fuzz() {
	go test -tags "${TAGS:-}" -run '^$' -fuzz "^$2\$" -fuzztime "$FUZZTIME" -fuzzminimizetime 50x -parallel "$parallel" "$1" </dev/null 2>&1
}

# Go's fuzzer sometimes reports its own deadline as a failure, without an input that fails. Only that is retried.
fuzz_and_tell() {
	local said code=0
	said=$(fuzz "$1" "$2") || code=$?
	if ((code != 0)) && [[ $said == *'context deadline exceeded'* && $said != *'Failing input written'* ]]; then
		code=0
		said+=$'\n'"fuzz: $2 of $1 failed by the fuzzer's own deadline, once more"$'\n'
		said+=$(fuzz "$1" "$2") || code=$?
	fi
	printf '%s %s\n%s\n' "$1" "$2" "$said"
	((code == 0))
}
export -f fuzz fuzz_and_tell

list=$(targets)
# shellcheck disable=SC2016 # the words are those of the shell that xargs starts
xargs -r -P "$jobs" -L 1 bash -c 'fuzz_and_tell "$1" "$2"' fuzz <<<"$list"
echo "fuzz: $(wc -l <<<"$list") targets, $FUZZTIME each, $jobs at a time, no failure"
