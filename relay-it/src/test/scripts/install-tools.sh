#!/bin/sh
# Installs what the full tests can use, on Debian and its like. Where that cannot be had, offline or without root,
# it says so and goes on: a test whose tool is absent is skipped by name.
#   iproute2, python3   network namespaces, and a link that is slow and loses packets
#   libfaketime         a wall clock that steps
#   mount               a small disk that is full; to mount it takes root
set -u
tools="iproute2 python3 libfaketime mount"

if [ "$(id -u)" -ne 0 ]; then
  echo "not root: nothing is installed of $tools" >&2
  exit 0
fi
apt-get -qq update || echo "package lists are as old as they were" >&2
for tool in $tools; do
  apt-get -qq install -y --no-install-recommends "$tool" || echo "not installed: $tool" >&2
done
