#!/usr/bin/env bash
# Prints the version of the packages, which dpkg and rpm sort in the same order: X.Y.Z for a commit with the tag vX.Y.Z,
# X.Y.Z+gitN.gCOMMIT after it, 0.1.0~gitN.gCOMMIT (older than 0.1.0) if there is no tag. N counts commits. Uncommitted changes add
# .dirty. EVENTSVC_VERSION overrides all this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

next=0.1.0 # the release that has not been made yet

if [[ -n ${EVENTSVC_VERSION:-} ]]; then
	echo "$EVENTSVC_VERSION"
	exit
fi
commit=$(git rev-parse --short=8 HEAD)
dirty=
[[ -z $(git status --porcelain --untracked-files=no) ]] || dirty=.dirty
if described=$(git describe --tags --long --abbrev=8 --match 'v[0-9]*' 2>/dev/null); then
	# vX.Y.Z-N-gCOMMIT
	count=${described%-g*}
	count=${count##*-}
	release=${described%-"$count"-g*}
	release=${release#v}
	release=${release//-/\~} # a release candidate, v1.0.0-rc1, is older than its release
	if ((count == 0)) && [[ -z $dirty ]]; then
		echo "$release"
	else
		echo "$release+git$count.g$commit$dirty"
	fi
else
	echo "$next~git$(git rev-list --count HEAD).g$commit$dirty"
fi
