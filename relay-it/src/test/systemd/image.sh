#!/usr/bin/env bash
# Creates DIRECTORY/NAME, a Debian root file system with systemd, a JRE, the tools of the checks and these packages,
# unless it exists.
#
#   image.sh SUITE DIRECTORY NAME [PACKAGE...]
set -euo pipefail

suite=$1
images=$2
name=$3
packages=(default-jre-headless python3-minimal iproute2 libnss-resolve "${@:4}")

[[ ! -d $images/$name ]] || exit 0

# shellcheck source=/dev/null
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
# The archive of this machine's packages has all suites.
# shellcheck disable=SC2016 # $(REPO_URI) is apt-get's
archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' "Codename: $codename" | head -n 1)
[[ -n $archive ]] || {
  echo "image.sh: the apt sources of this machine name no archive for $codename" >&2
  exit 2
}

mkdir -p "$images"
new=$(mktemp -d "$images/new.XXXXXX")
machine=${new##*/}
trap 'rm -rf "$new" "/run/systemd/nspawn/propagate/$machine"' EXIT
chmod 755 "$new"

make() {
  debootstrap --variant=minbase --include=systemd-sysv,dbus "$suite" "$new" "$archive" || return
  # In a container: installing a JRE needs /proc.
  local options=(--quiet --directory="$new" --machine="$machine" --pipe --setenv=DEBIAN_FRONTEND=noninteractive)
  [[ -d /run/systemd/system ]] || options+=(--register=no --keep-unit)
  # systemd-resolved is a separate package from bookworm on.
  # shellcheck disable=SC2016
  systemd-nspawn "${options[@]}" sh -c 'apt-get install -q -y --no-install-recommends "$@" $(apt-cache pkgnames systemd-resolved)' \
    - "${packages[@]}" < /dev/null
}

echo "Creating an image of Debian $suite in $images; this takes some minutes."
(make) > "$images/$name.log" 2>&1 || {
  tail -n 20 "$images/$name.log" >&2
  exit 2
}
mv "$new" "$images/$name"
