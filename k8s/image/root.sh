#!/usr/bin/env bash
# root.sh PRATIQUE PRATIQUED TAR: the root of an image as an archive: the two programs, the shared libraries that they
# link, certificate authorities, a user who is not root, the licences of all of it, and nothing else that could run: no
# shell. Runs on the Debian that the programs were built on, without network and without root.
#
# Everything in it is of this machine's packages, so that what is shipped is what was tested. Equal programs and
# packages give equal bytes; SOURCE_DATE_EPOCH (0 by default) is the time of all files.
set -euo pipefail
pratique=$1 pratiqued=$2 archive=$3
src=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
user=65532
umask 022
export LC_ALL=C

die() {
	echo "root.sh: $*" >&2
	exit 1
}

# Libraries of the programs, and theirs, with the loader, by the names that they are looked for.
mapfile -t libraries < <(ldd "$pratique" "$pratiqued" |
	sed -nE 's/.* => (\/[^ ]+) .*/\1/p; s/^\t(\/[^ ]+) \(.*/\1/p' | sort -u)
[ "${#libraries[@]}" -gt 0 ] || die "ldd finds no libraries"

# Their packages. dpkg knows a file by one of the two names that a merged /usr gives it, and fails for the other.
declare -A package=()
while IFS= read -r line; do
	file=${line##*: }
	package[$file]=${line%%[:,]*}
done < <(dpkg-query -S "${libraries[@]}" "${libraries[@]/#//usr}" 2>/dev/null)

# licence PACKAGE: its copyright, and what scanners read to know that it is in here.
licence() {
	[ ! -e "$root/usr/share/doc/$1" ] || return 0
	mkdir -p "$root/usr/share/doc/$1"
	cp -L "/usr/share/doc/$1/copyright" "$root/usr/share/doc/$1/copyright" ||
		die "the copyright of the package $1 is not on this machine"
	dpkg-query -s "$1" >"$root/var/lib/dpkg/status.d/$1"
}

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/{etc/ssl/certs,run/pratique,srv,tmp,usr/bin,usr/lib,usr/lib64,var/lib/dpkg/status.d,var/lib/pratique}
mkdir -p "$root"/usr/share/{doc/pratique,common-licenses}
ln -s usr/bin "$root/bin"
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"

for program in "$pratique" "$pratiqued"; do
	strip -o "$root/usr/bin/${program##*/}" "$program"
done
cp "$src/LICENSE" "$root/usr/share/doc/pratique/copyright"
for library in "${libraries[@]}"; do
	folder=$(realpath "${library%/*}")
	name=${package[$folder/${library##*/}]:-${package[$library]:-}}
	[ -n "$name" ] || die "$library is of no Debian package"
	mkdir -p "$root$folder"
	cp -L "$library" "$root$folder/"
	licence "$name"
done

# Debian's authorities without those that somebody added to this machine.
licence ca-certificates
find /usr/share/ca-certificates/mozilla -name '*.crt' -print0 | sort -z | xargs -0 cat \
	>"$root/etc/ssl/certs/ca-certificates.crt"
licence base-files
cp -a /usr/share/common-licenses/. "$root/usr/share/common-licenses/"
cp /usr/lib/os-release "$root/usr/lib/os-release"
ln -s ../usr/lib/os-release "$root/etc/os-release"
printf 'root:x:0:0:root:/:/none\npratique:x:%s:%s:Pratique:/var/lib/pratique:/none\n' "$user" "$user" >"$root/etc/passwd"
printf 'root:x:0:\npratique:x:%s:\n' "$user" >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

# Whole: the image's loader finds everything within it.
find_one() {
	find "$root/usr" -name "$1" -print -quit
}
loader=$(find_one 'ld-linux*') libc=$(find_one 'libc.so.*')
for program in "$root"/usr/bin/*; do
	if "$loader" --library-path "${libc%/*}" --list "$program" | grep -vE "linux-vdso|$root|/ld-linux"; then
		die "${program##*/} needs these, which are not in the image"
	fi
done

chmod 1777 "$root/tmp"
chmod 770 "$root/run/pratique"
chmod 700 "$root/var/lib/pratique"
own=(./run/pratique ./var/lib/pratique)
tar_up() {
	tar -C "$root" --format=gnu --sort=name --mtime="@${SOURCE_DATE_EPOCH:-0}" --numeric-owner "$@"
}
tar_up --owner=0 --group=0 "${own[@]/#/--exclude=}" -cf "$archive" .
tar_up --owner="$user" --group="$user" -rf "$archive" "${own[@]}"
