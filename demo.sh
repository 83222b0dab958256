#!/bin/sh
# The main job on one machine; Maven builds, and runs io.c2crelay.it.demo.Demo.
cd "$(dirname "$0")" || exit
cat <<'TEXT'
Building both jars. The first time, Maven downloads what it needs before that: a minute or two.
Then come a small HTTP service, a relay, an agent, and one request through the relay. Ctrl-C ends everything.

TEXT
exec mvn -B -q -Pdemo -DskipTests verify
