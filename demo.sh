#!/bin/sh
# Builds and runs io.c2crelay.it.demo.Demo: relay, agent, target and user on one machine.
cd "$(dirname "$0")" || exit
cat <<'TEXT'
Building both jars; on the first run Maven downloads its plugins before, which takes a minute or two.
Then a small HTTP service, a relay and an agent start, and one request goes through the relay. Ctrl-C ends everything.

TEXT
maven=mvn
command -v mvn > /dev/null || maven=./mvnw
exec "$maven" -B -q -Pdemo -DskipTests verify
