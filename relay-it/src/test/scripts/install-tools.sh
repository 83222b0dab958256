#!/bin/sh
# Installs what the full tests can use, on Debian and its like, as root. A test whose tool is absent is skipped by name.
#   iproute2, python3   network namespaces, and a link that is slow and loses packets
set -eu
apt-get update
apt-get install -y --no-install-recommends iproute2 python3
