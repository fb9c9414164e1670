#!/usr/bin/env bash
# Installs what a package holds below a directory, by the recipe of nfpm: the source packages of Debian and Fedora call it, so that the
# list of files is written once.
#
#   dist/package/install.sh STAGE RECIPE PACKAGER ARCH DESTDIR
#
# STAGE is what stage.sh made, RECIPE nfpm.yaml or nfpm-cockpit.yaml, PACKAGER deb or rpm. Prints the files in the form of an
# rpm's %files.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
stage=$1 recipe=$2 packager=$3 arch=$4 dest=$5
umask 022

# entries FILE...: source, destination, type and packager of each entry below "contents:", or of a list of entries; "-" for none.
entries() {
	awk '
		function out() {
			if (dst != "") print (src == "" ? "-" : src), dst, (type == "" ? "-" : type), (packager == "" ? "-" : packager)
			src = dst = type = packager = ""
		}
		FNR == 1 { inside = !/^name:/ }
		/^[a-z]/ { out(); inside = /^contents:/ }
		!inside || /^ *#/ { next }
		/^  - / { out() }
		{
			gsub(/[{},]/, "")
			sub(/^ *- */, "")
			for (i = 1; i < NF; i++) {
				if ($i == "src:") src = $(i + 1)
				else if ($i == "dst:") dst = $(i + 1)
				else if ($i == "type:") type = $(i + 1)
				else if ($i == "packager:") packager = $(i + 1)
			}
		}
		END { out() }' "$@"
}

files=("$recipe")
[[ $recipe == *cockpit* ]] || files+=("$stage/documentation")
while read -r src dst type only; do
	[[ $only == - || $only == "$packager" ]] || continue
	case $packager:$dst in
	deb:/usr/share/doc/*/copyright | deb:/usr/share/doc/*/changelog.gz) continue ;; # debhelper installs those of debian/
	esac
	case $type in
	dir) install -d "$dest$dst" && echo "%dir $dst" && continue ;;
	doc) mark='%doc ' ;;
	license) mark='%license ' ;;
	'config|noreplace') mark='%config(noreplace) ' ;;
	*) mark='' ;;
	esac
	src=${src//\$ARCH/$arch} # awk has taken the braces
	[[ $src != dist/out/* ]] || src=$stage/${src#dist/out/}
	found=0
	for file in $src; do # the patterns of the recipe
		[[ -f $file ]] || continue
		found=1
		to=$dst
		[[ $dst != */ ]] || to=$dst${file##*/}
		mode=644
		[[ ! -x $file ]] || mode=755
		install -D -m "$mode" "$file" "$dest$to"
		echo "$mark$to"
	done
	if ((!found)); then
		echo "cannot install $dst: there is no $src" >&2
		exit 1
	fi
done < <(entries "${files[@]}")
