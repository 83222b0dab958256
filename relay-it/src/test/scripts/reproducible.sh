#!/usr/bin/env bash
# Builds the last commit twice, with different directory, time, umask, language and time zone. Exits with 0 if the jars
# are identical. Both builds use the same JDK, as the output of javac depends on it.
set -euo pipefail
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() { # build DIRECTORY UMASK LANGUAGE COUNTRY ZONE
  (
    umask "$2"
    git clone --quiet "$root" "$1"
    cd "$1"
    export TZ=$5 LC_ALL=C MAVEN_OPTS="-Duser.language=$3 -Duser.country=$4 -Duser.timezone=$5"
    mvn -B -q -DskipTests package
  )
}

build "$work/one" 022 en US UTC
build "$work/somewhere/else" 077 tr TR Asia/Kathmandu

status=0
for jar in server2server/target/server2server.jar client2client/target/client2client.jar; do
  (cd "$work/one" && sha256sum "$jar")
  if ! cmp "$work/one/$jar" "$work/somewhere/else/$jar"; then
    diff <(unzip -lv "$work/one/$jar") <(unzip -lv "$work/somewhere/else/$jar") || true
    status=1
  fi
done
exit $status
