#!/usr/bin/env bash
# Installs what the test of the Cockpit page needs, from Debian 12 and npm: Cockpit's web server and bridge, its shell and
# page for Podman, Chromium, and what
# drives it (puppeteer-core, the client of Chromium's own protocol without a browser of its own; axe-core, the rules of
# accessibility). Prints the directory of the latter. Root only for the packages; running it again does nothing.
#
#   test/peers/browser.sh
#   EVENTSVC_BROWSER=DIR      where the modules go (default /var/cache/eventsvc-browser)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../browser"

missing=()
for package in cockpit-ws cockpit-bridge cockpit-system cockpit-podman chromium; do
	state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
	[[ $state == installed ]] || missing+=("$package")
done
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
if ((${#missing[@]} > 0)); then
	if ((EUID != 0)); then
		echo "cannot install ${missing[*]}: run test/peers/browser.sh as root" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	# No service may come up beside the tests; see install.sh.
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 0755 "$policy"
		trap 'rm -f "$policy"' EXIT
	fi
	apt-get update --quiet || echo "peers: some package lists could not be fetched, going on with what there is" >&2
	apt-get install --yes --quiet --no-install-recommends "${missing[@]}" >&2
fi

modules=${EVENTSVC_BROWSER:-/var/cache/eventsvc-browser}
if ! cmp --silent package-lock.json "$modules/package-lock.json" || [[ ! -e $modules/installed ]]; then
	mkdir -p "$modules"
	cp package.json package-lock.json "$modules/"
	(cd "$modules" && npm ci --ignore-scripts --no-audit --no-fund >&2 && touch installed)
fi
echo "$modules"
