#!/bin/sh
# Installs the optional tools of the full tests, on Debian and derivatives. Without root or network it prints a message
# and continues: tests without their tool are skipped.
#   iproute2, python3   network namespaces, and a link with delay and loss
#   libfaketime         steps of the wall clock
#   mount               a full file system; needs root
set -u
tools="iproute2 python3 libfaketime mount"

if [ "$(id -u)" -ne 0 ]; then
  echo "not root: not installed: $tools" >&2
  exit 0
fi
apt-get -qq update || echo "package lists not updated" >&2
for tool in $tools; do
  apt-get -qq install -y --no-install-recommends "$tool" || echo "not installed: $tool" >&2
done
