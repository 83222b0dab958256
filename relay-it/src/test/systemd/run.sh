#!/usr/bin/env bash
# Tests the two units under systemd: boots a Debian container in which checks.sh installs both programs as in docs/operations.md
# and starts, kills, stops and misconfigures them. Prints a line for each check; exits with 0 only if all passed.
#
#   run.sh [DIRECTORY]
#
# With TASKS=1, tasks.sh runs the commands of the pages in docs/tasks instead, as written there, with the real programs.
# DIRECTORY caches the container image (600 MB); the default is below /var/cache. SUITE selects another Debian release
# than bookworm (trixie with TASKS=1), with its systemd and Java; JAVA=/…/bin/java another Java.
#
# Needs root, and on the first run the Debian archive of this machine's apt sources. Uses the jars of the working tree;
# builds them if there are none. Leaves behind only the image and the packages debootstrap and systemd-container.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
images=$(realpath -m "${1:-/var/cache/c2crelay-systemd}")
suite=${SUITE:-${TASKS:+trixie}}
suite=${suite:-bookworm}
machine=c2crelay-$$

die() {
  echo "run.sh: $*" >&2
  exit 2
}

((EUID == 0)) || die "needs root, to boot a container"
command -v apt-get > /dev/null || die "needs Debian's apt-get, to make the container's image"

if ! command -v debootstrap > /dev/null || ! command -v systemd-nspawn > /dev/null; then
  apt-get install -q -y --no-install-recommends debootstrap systemd-container
fi
image=$suite
checks=checks.sh
packages=()
if [[ -n ${TASKS:-} ]]; then
  image=$suite-tasks
  checks=tasks.sh
  packages=(openssh-server sshpass fail2ban python3-systemd nftables nginx-light postgresql curl prometheus haproxy
    tinyproxy xrdp xorgxrdp xterm freerdp3-x11 xvfb xauth)
fi
"$here/image.sh" "$suite" "$images" "$image" "${packages[@]}"

cd "$here/../../../.."
jars=(server2server/target/server2server.jar client2client/target/client2client.jar)
[[ -f ${jars[0]} && -f ${jars[1]} ]] || mvn -B -q -DskipTests package

control_groups() { find /sys/fs/cgroup -type d \( -path '*/payload*' -o -path '*/supervisor*' \) 2> /dev/null | sort; }

work=$(mktemp -d)
container=
before=$(control_groups)
# shellcheck disable=SC2317 # called by the trap
cleanup() {
  trap '' INT TERM
  [[ -z $container ]] || kill "$container" 2> /dev/null || true
  wait
  rm -rf "$work" "/run/systemd/nspawn/propagate/$machine"
  # With --keep-unit nspawn does not remove its control groups; they may stay busy for a moment.
  for _ in 1 2 3 4 5; do
    comm -13 <(echo "$before") <(control_groups) | sort -r | xargs -r rmdir 2> /dev/null && break
    sleep 1
  done
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A copy: the working tree may change during the run.
mkdir "$work/src" "$work/out"
cp --parents -r docs {server2server,client2client}/src/main/systemd "${jars[@]}" relay-it/src/test/systemd "$work/src"
touch "$work/out/checks"

options=(
  --quiet --boot --directory="$images/$image" --volatile=overlay --machine="$machine" --hostname=office
  --private-network --console=pipe --bind-ro="$work/src:/src" --bind="$work/out:/out"
  --bind-ro="$work/src/relay-it/src/test/systemd/checks.service:/etc/systemd/system/checks.service"
)
# Without systemd as init there is no systemd-machined to register the container.
[[ -d /run/systemd/system ]] || options+=(--register=no --keep-unit)
if [[ -n ${JAVA:-} ]]; then
  java=$(readlink -f "$JAVA")
  options+=(--bind-ro="${java%/bin/java}:/opt/java")
fi

timeout --kill-after=30 1800 systemd-nspawn "${options[@]}" systemd.wants=checks.service systemd.setenv="CHECKS=$checks" \
  < /dev/null > "$work/boot" 2>&1 &
container=$!
tail --pid="$container" --sleep-interval=0.5 -n +1 -f "$work/out/checks" &
status=0
wait "$container" || status=$?
container=
wait
if ! tail -n 1 "$work/out/checks" | grep -Eq '^[0-9]+ passed, [0-9]+ failed$'; then
  cat "$work/boot" >&2
  die "the container ended before the checks did, with status $status"
fi
exit "$status"
