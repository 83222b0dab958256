#!/usr/bin/env bash
# What SECURITY.md says of OpenSSH 9.8 and newer behind the relay, with a real sshd: with its defaults one scanner locks
# out every user of the relay, as all of them come from the agent's address; with PerSourcePenaltyExemptList it does not.
# Prints a line for each of the two; exits with 0 only if both were seen.
#
#   ssh-penalties.sh [DIRECTORY]
#
# It takes this machine's sshd if that is new enough. Else it makes a Debian that has one and runs that by chroot;
# DIRECTORY keeps it (260 MB) for the next time, the default is below /var/cache. RELAY_JAR=, AGENT_JAR= and
# JAVA=/…/bin/java take others than those of the working tree and of PATH.
#
# It needs root, and for the Debian the archive, which it takes from this machine's apt sources. All of it listens on the
# loopback only. Nothing stays behind but DIRECTORY, and the packages openssh-client and debootstrap if they were not
# there.
set -euo pipefail

images=$(realpath -m "${1:-/var/cache/c2crelay-ssh}")
suite=trixie
java=${JAVA:-java}
exempt='PerSourcePenaltyExemptList 127.0.0.1,::1'
# The users' addresses at the relay. sshd sees neither.
scanner=127.0.0.2
user=127.0.0.3
# Each failure costs 5 s, and more than 15 s outstanding mean refusal: ten are plenty, on a slow machine too. They are for
# a name that exists: to one that does not, a wrong key was no attempt at all for OpenSSH 10.0, and cost 1 s.
attempts=10

die() {
  echo "ssh-penalties.sh: $*" >&2
  exit 2
}

((EUID == 0)) || die "needs root, for sshd and its mounts"
PATH=$PATH:/usr/sbin:/sbin
# With --key-file it would be a second key, which is an error.
unset C2C_KEY

work=$(mktemp -d)
new=
# The processes in the background.
making='' relay='' agent='' sshd_pid=''

# stop PID: TERM, and KILL after 10 s.
stop() {
  kill "$1" 2> /dev/null || true
  for _ in {1..100}; do
    kill -0 "$1" 2> /dev/null || break
    sleep 0.1
  done
  kill -KILL "$1" 2> /dev/null || true
  wait "$1" 2> /dev/null || true
}

stop_sshd() {
  # Its sessions are about to end. It would not wait for them, but leave them to init.
  for _ in {1..50}; do
    pgrep -P "$sshd_pid" > /dev/null 2>&1 || break
    sleep 0.1
  done
  stop "$sshd_pid"
  sshd_pid=
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
  trap '' INT TERM
  local pid running
  # What has ended is not signalled: its number may be another's by now.
  running=$(jobs -pr)
  # sshd last: its sessions end with the connections from the agent.
  for pid in $making $agent $relay; do
    if grep -Fqx "$pid" <<< "$running"; then stop "$pid"; fi
  done
  if [[ -n $sshd_pid ]] && grep -Fqx "$sshd_pid" <<< "$running"; then stop_sshd; fi
  rm -rf --one-file-system "$work" ${new:+"$new"}
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# within SECONDS PID PATTERN FILE: the pattern is in the file before the time is over or the process ends.
within() {
  local end=$((SECONDS + $1))
  until grep -Eqs -e "$3" "$4"; do
    kill -0 "$2" 2> /dev/null && ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# give_up WHAT LOG: nothing can be said of sshd.
give_up() {
  tail -n 20 "$2" >&2
  die "$1"
}

install_unless() { # install_unless COMMAND PACKAGE...
  command -v "$1" > /dev/null && return
  command -v apt-get > /dev/null || die "needs $1"
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${@:2}" > "$work/apt" 2>&1 < /dev/null ||
    give_up "cannot install ${*:2}" "$work/apt"
}

# ---- sshd

version() { "$@" -V 2>&1 | grep -Eo 'OpenSSH_[0-9]+\.[0-9][^ ,]*( Debian[^ ,]*| Ubuntu[^ ,]*)?' | head -n 1; }

# new_enough VERSION: 9.8 is the first with PerSourcePenalties.
new_enough() {
  [[ $1 =~ ^OpenSSH_([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= 9008))
}

make_image() {
  local archive='' id codename
  # shellcheck source=/dev/null
  id=$(. /etc/os-release && echo "$ID")
  # shellcheck source=/dev/null
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  install_unless debootstrap debootstrap debian-archive-keyring
  # On Debian all suites are in the archive that this machine's own packages come from; elsewhere debootstrap knows one.
  if [[ $id == debian ]]; then
    # shellcheck disable=SC2016 # $(REPO_URI) is apt-get's
    archive=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Component: main' "Codename: $codename" | head -n 1)
    [[ -n $archive ]] || die "the apt sources of this machine name no archive for $codename"
  fi
  echo "Making an image of Debian $suite in $images; this takes some minutes, once."
  mkdir -p "$images"
  new=$(mktemp -d "$images/new.XXXXXX")
  chmod 755 "$new"
  # In a mount namespace, so that no mount is left if it is stopped; in the background, so that it can be.
  timeout --kill-after=30 1800 unshare --mount \
    debootstrap --variant=minbase --include=openssh-server "$suite" "$new" ${archive:+"$archive"} \
    > "$images/$suite.log" 2>&1 < /dev/null &
  making=$!
  wait "$making" || give_up "debootstrap failed" "$images/$suite.log"
  mv "$new" "$images/$suite"
  new='' making=''
}

install_unless ssh openssh-client
root=
sshd=$(command -v sshd || true)
version=${sshd:+$(version "$sshd" || true)}
where="this machine's"
if ! new_enough "$version"; then
  [[ -d $images/$suite ]] || make_image
  root=$images/$suite
  sshd=/usr/sbin/sshd
  version=$(version chroot "$root" "$sshd" || true)
  where="Debian $suite's"
  new_enough "$version" || die "the sshd in $root is $version, not 9.8 or newer"
fi

mkdir "$work/sshd"
chmod 755 "$work/sshd"
for key in host user scanner; do
  ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$work/$key"
done
mv "$work/host" "$work/sshd/host"
cp "$work/user.pub" "$work/sshd/authorized_keys"
chmod 644 "$work/sshd/authorized_keys"
echo "target $(< "$work/host.pub")" > "$work/known_hosts"
# The throw-away account. No password, which * says; an ! would lock it.
{
  cat "$root/etc/passwd"
  echo 'tester:*:64999:65534::/:/bin/sh'
} > "$work/sshd/passwd"
chmod 644 "$work/sshd/passwd"

# start_sshd PORT LOG [LINE]: with LINE in the configuration. False if it does not listen. Its process is in sshd_pid.
start_sshd() {
  # What is not here has sshd's default. VERBOSE changes nothing but the log, which then has each failed login.
  cat > "$work/sshd/sshd_config" << END
ListenAddress 127.0.0.1
Port $1
HostKey /mnt/host
AuthorizedKeysFile /mnt/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
LogLevel VERBOSE
${3:-}
END
  # The account and the files are mounted where only this sshd sees them; the mounts end with it. All are "exec", so the
  # process of the job is sshd.
  # shellcheck disable=SC2016
  unshare --mount sh -ec '
    mount --bind "$1" "$2/mnt"
    mount --bind "$2/mnt/passwd" "$2/etc/passwd"
    mount -t tmpfs -o mode=755 tmpfs "$2/run"
    mkdir "$2/run/sshd"
    [ -z "$2" ] || mount --rbind /dev "$2/dev"
    exec chroot "${2:-/}" "$3" -D -e -f /mnt/sshd_config
  ' - "$work/sshd" "$root" "$sshd" > "$2" 2>&1 < /dev/null &
  sshd_pid=$!
  within 20 "$sshd_pid" '^Server listening on ' "$2"
}

# ---- relay and agent

start_relay_and_agent() { # start_relay_and_agent TARGET_PORT: the relay's port is in port
  (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' > "$work/key")
  "$java" -jar "$relay_jar" --bind 127.0.0.1 --drain 0 --key-file "$work/key" 0 > "$work/relay.log" 2>&1 < /dev/null &
  relay=$!
  within 60 "$relay" ' relay\.listening ' "$work/relay.log" || give_up "the relay does not start" "$work/relay.log"
  port=$(grep ' relay\.listening ' "$work/relay.log" | grep -Eo ' port=[0-9]+' | cut -d = -f 2)
  "$java" -jar "$agent_jar" --drain 0 --key-file "$work/key" "127.0.0.1:$1" 127.0.0.1 "$port" \
    > "$work/agent.log" 2>&1 < /dev/null &
  agent=$!
  within 60 "$agent" ' control\.ready ' "$work/agent.log" || give_up "the agent does not attach" "$work/agent.log"
}

# ---- users of the relay

# through_relay FROM KEY NAME: logs in, and says hello over there.
through_relay() {
  timeout --foreground 30 ssh -F /dev/null -n -T -b "$1" -i "$work/$2" -p "$port" \
    -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o PreferredAuthentications=publickey \
    -o StrictHostKeyChecking=yes -o HostKeyAlias=target \
    -o UserKnownHostsFile="$work/known_hosts" -o GlobalKnownHostsFile=/dev/null \
    "$3@127.0.0.1" 'echo hello' 2> "$work/ssh"
}

user_gets_in() { [[ $(through_relay "$user" user tester) == hello ]]; }

scan() {
  local i
  for ((i = 0; i < attempts; i++)); do
    ! through_relay "$scanner" scanner tester > "$work/out" || die "the scanner got in"
  done
}

failed_logins() { grep -Ec '^Failed publickey for .* from 127\.0\.0\.1 ' "$1" || true; }
dropped() { grep -E '^drop connection .* from \[127\.0\.0\.1\]:.* penalty: ' "$1" || true; }

# result NUMBER TEXT LOG CONDITION...
status=0
result() {
  if "${@:4}"; then
    echo "$1 seen: $2"
  else
    status=1
    echo "$1 NOT SEEN: $2"
    echo "  ssh of the user, at last:"
    sed 's/^/  | /' "$work/ssh"
    echo "  sshd:"
    tail -n 20 "$3" | sed 's/^/  | /'
  fi
}

# ---- the two

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../../.." && pwd)
relay_jar=${RELAY_JAR:-$project/server2server/target/server2server.jar}
agent_jar=${AGENT_JAR:-$project/client2client/target/client2client.jar}
if [[ -z ${RELAY_JAR:-} && ! -f $relay_jar || -z ${AGENT_JAR:-} && ! -f $agent_jar ]]; then
  (cd "$project" && mvn -B -q -DskipTests package)
fi
# Copies: the working tree may change meanwhile.
cp "$relay_jar" "$work/relay.jar"
cp "$agent_jar" "$work/agent.jar"
relay_jar=$work/relay.jar
agent_jar=$work/agent.jar

echo "sshd is $where $version"

log=$work/sshd.defaults
up=
for _ in 1 2 3 4 5; do
  # sshd takes no port 0. This is below the ports that the system gives out.
  target=$((20000 + RANDOM % 10000))
  if start_sshd "$target" "$log"; then
    up=yes
    break
  fi
  grep -q 'Address already in use' "$log" || break
done
[[ -n $up ]] || give_up "sshd does not start" "$log"
start_relay_and_agent "$target"

user_gets_in || give_up "the user cannot log in even before the scan: $(< "$work/ssh")" "$log"
scan
before=$(dropped "$log" | wc -l)
failures=$(failed_logins "$log")
# Refused, and by this: sshd has dropped one connection more.
# shellcheck disable=SC2317 # called by result
refused() { ! user_gets_in && (($(dropped "$log" | wc -l) == before + 1)); }
result 1 "with sshd's defaults the user at $user is refused after $failures failed logins of the scanner at $scanner" "$log" refused
dropped "$log" | tail -n 1 | sed 's/^/  sshd: /'
stop_sshd

log=$work/sshd.exempt
start_sshd "$target" "$log" "$exempt" || give_up "sshd does not start again" "$log"
user_gets_in || give_up "the user cannot log in even before the scan: $(< "$work/ssh")" "$log"
scan
failures=$(failed_logins "$log")
# All of the scan has come to sshd.
# shellcheck disable=SC2317 # called by result
let_in() { user_gets_in && ((failures == attempts)) && [[ -z $(dropped "$log") ]]; }
result 2 "with $exempt the user at $user gets in after $failures failed logins of the scanner at $scanner" "$log" let_in

exit "$status"
