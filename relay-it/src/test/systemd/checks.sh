#!/usr/bin/env bash
# The checks of run.sh, run in its container, in order. Both programs are running at the start of each group.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../../.." || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

# ---- the environment

prepare() {
  systemctl is-system-running --wait > /dev/null || systemctl --no-pager --failed
  [[ ! -d /opt/java ]] || ln -sf /opt/java/bin/java /usr/bin/java
  # A network interface without a peer.
  ip link add card type veth peer name end
  ip link set card up
  ip link set end up
  ip address add 192.0.2.1/24 dev card
  # Above Netty's default, to check that Netty can read the file.
  echo 5000 > /proc/sys/net/core/somaxconn
  # Names resolve by DNS, through systemd-resolved only.
  "${peer[@]}" dns 5353 &
  mkdir -p /etc/systemd/resolved.conf.d
  printf '[Resolve]\nDNS=127.0.0.1:5353\nDNSSEC=no\n' > /etc/systemd/resolved.conf.d/checks.conf
  systemctl restart systemd-resolved
  ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
  resolve_by resolve
  # Does not work on Debian 11.
  within 5 getent hosts relay.example.com > /dev/null || resolve_by dns
  "${peer[@]}" target 22 > /dev/null &
}

resolve_by() { sed -i "s/^hosts:.*/hosts: $1/" /etc/nsswitch.conf; }

both_running() {
  systemctl start "$relay" "$agent"
  within 90 serves
}

# ---- conditions

unit_files_verify() {
  local warnings
  warnings=$(systemd-analyze verify "/etc/systemd/system/$relay.service" "/etc/systemd/system/$agent.service" 2>&1)
  warnings=$(grep -E "$relay|$agent" <<< "$warnings")
  supports ExecPaths || warnings=$(grep -v "'ExecPaths'" <<< "$warnings")
  equal '' "$warnings"
}

# supports DIRECTIVE: for directives newer than systemd 247, the oldest version that the units support.
supports() { systemctl show "$relay" --property="$1" | grep -q .; }

exposure() { matches 'Overall exposure level.*: (0\.[0-9]|1\.[0-3]) ' "$(systemd-analyze security --no-pager "$1")"; }

# confined UNIT: a dynamic user, no capabilities, no_new_privs and a seccomp filter (proc(5)).
confined() {
  local status
  status=$(cat "/proc/$(pid "$1")/status")
  matches $'^Uid:\t6[0-9]{4}\t' "$status" && matches $'^CapEff:\t0+$' "$status" && matches $'^CapBnd:\t0+$' "$status" \
    && matches $'^NoNewPrivs:\t1$' "$status" && matches $'^Seccomp:\t2$' "$status"
}

# uses UNIT TRANSPORT TLS
uses() { logged "$1" "(relay.listening|agent.started) .*transport=$2 tls=$3"; }

listening() { matches . "$(ss -H -l -t -n "sport = :$1")"; }

full_backlog() {
  equal 5000 "$(ss -H -l -t -n 'sport = :4000' | awk '{ print $3 }')"
}

# restart_delay UNIT SECONDS: systemd waited at least this long before each restart.
restart_delay() {
  journalctl --sync
  journalctl --quiet --no-pager --output=short-unix --after-cursor="$cursor" --unit="$1" | awk -v least="$2" '
    / systemd\[1\]: .*: Failed with result / { failed = $1 }
    / systemd\[1\]: Starting / && failed { print delay = $1 - failed; if (delay >= least) right++; else wrong++; failed = 0 }
    END { exit !(right > 1 && !wrong) }'
}

# stopped UNIT [CODES]: exited in time, with one of these codes and no failure logged by systemd.
stopped() {
  is "$1" ActiveState inactive && is "$1" Result success \
    && matches "^${2:-0}\$" "$(property "$1" ExecMainStatus)" && not_logged "$1" 'timed out|SIGKILL|Killing|Failed'
}

keeps_process() {
  local process
  process=$(pid "$1")
  "${@:2}" && equal "$process" "$(pid "$1")"
}

# program_lines UNIT [ARGUMENT...]: the program's log lines.
program_lines() { entries "_SYSTEMD_UNIT=$1.service" "SYSLOG_IDENTIFIER=$1" "${@:2}"; }

# priorities UNIT: the priority of each line matches its level, and lines omit timestamps. Java 21 logs Runtime.exit
# if it is stopped during startup.
priorities() {
  equal '' "$(
    program_lines "$1" -p 3..3 | grep -Ev "^(ERROR |$1: |Try --help)"
    program_lines "$1" -p 4..4 | grep -v '^WARN '
    program_lines "$1" -p 6..6 | grep -Ev '^(INFO |cp: |Runtime\.exit\()'
    program_lines "$1" -p 0..2
    program_lines "$1" -p 5..5
    program_lines "$1" -p 7..7
  )"
}

lines_are_attributed() {
  equal "$(printf '%s\n' "$agent" "$agent.service" "$relay" "$relay.service")" \
    "$(entries --output-fields=_SYSTEMD_UNIT,SYSLOG_IDENTIFIER _COMM=java | sort -u)"
}

world_readable_data() {
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ
  journalctl --sync
  journalctl --no-pager --all --output=export
  systemctl show "$relay" "$agent"
  systemctl cat "$relay" "$agent"
  systemctl status --no-pager --full --lines=1000 "$relay" "$agent"
}

# disclosed KEYS: succeeds if other users can read one of the keys in this file.
disclosed() { grep -aFf "$1" <(world_readable_data 2> /dev/null); }

new_key() { (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' > "$1"); }

# ----

prepare

group 'Installed as docs/operations.md says'
mark
check 'the commands for the relay' readme_run 'install -m 644 server2server'
check 'the key for the agent' readme_run 'read -rp' < /etc/$relay.key
check 'the commands for the agent' readme_run 'install -m 644 client2client'
check 'systemd-analyze verify reports no warning' unit_files_verify
check 'the relay starts at boot' is $relay UnitFileState enabled
check 'the agent starts at boot' is $agent UnitFileState enabled
if grep -q '^hosts: resolve' /etc/nsswitch.conf; then
  check 'the agent resolves the relay through systemd-resolved' within 60 logged $agent control.ready
else
  skip 'the agent resolves the relay through systemd-resolved' 'systemd-resolved does not answer here'
fi
check 'a user reaches the target' within 60 serves
serves 4000 > /dev/null || { # later checks would fail too
  summary
  exit 1
}
check 'a user reaches the target by IPv6' "${peer[@]}" user ::1 4000
check 'the relay logs the agent'"'"'s host name' logged $relay "agent.attached .*label=$(uname -n)"
check 'the relay loaded its native libraries' uses $relay EPOLL boringssl
check 'the agent loaded its native libraries' uses $agent EPOLL boringssl
check 'the relay is confined' confined $relay
check 'the agent is confined' confined $agent
check 'systemd-analyze security: the relay is at 1.3 or less' exposure $relay
check 'systemd-analyze security: the agent is at 1.3 or less' exposure $agent
check 'the accept backlog is net.core.somaxconn' full_backlog
check '20 users exchange 20 MiB each' "${peer[@]}" bulk 127.0.0.1 4000 20 20480
for unit in $relay $agent; do
  echo "          $unit: $(awk '/VmHWM/ { printf "peak %d MB resident", $2 / 1024 }' "/proc/$(pid "$unit")/status")"
done

group 'Killed'
for unit in $relay $agent; do
  session killed 60
  systemctl kill --signal=KILL --kill-who=main "$unit"
  check "$unit: the session is reset" ended killed '(reset|eof)'
  check "$unit: systemd restarts it once" within 30 is "$unit" NRestarts 1
  check "$unit: users reach the target again" within 60 serves
done

group 'Reloaded'
check 'systemctl daemon-reload changes nothing' keeps_process $relay systemctl daemon-reload
check 'systemctl restart' systemctl restart $relay $agent
check 'users reach the target again' within 60 serves
session upgraded 5
check 'the jar is replaced during a session' bash -euc "$(readme 'install -m 644 server2server' | grep '\.jar$')"
mark
check 'systemctl restart lets the session finish' takes 2 20 systemctl restart $relay
check 'the session is complete' ended upgraded complete
check 'no ERROR line' not_logged $relay ERROR
check 'users reach the target again' within 60 serves
readme 'OPTIONS=--pool 8' > /etc/$relay.env
systemctl restart $relay
check 'options from the .env file' matches '/key --pool 8 --idle-timeout 2h 4000 $' "$(cmdline $relay)"
check 'users reach the target with these options' within 60 serves
rm /etc/$relay.env
systemctl restart $relay

group 'Stopped under traffic'
for unit in $relay $agent; do
  check 'both are running' both_running
  mark
  session finishing 6
  systemctl stop --no-block "$unit"
  within 10 logged "$unit" '(relay|agent).draining'
  [[ "$unit" == "$agent" ]] || check "$unit: new users are refused at once" takes 0 2 not serves
  check "$unit: it waits for the session" takes 2 15 systemctl stop "$unit"
  check "$unit: the session is complete" ended finishing complete
  check "$unit: stopped successfully" stopped "$unit"
done
check 'both are running' both_running
mark
session endless 90
check 'a remaining session ends after --drain, 30 s' takes 25 40 systemctl stop $relay $agent
check 'the session is reset' ended endless reset
check "$relay: stopped successfully" stopped $relay
check "$agent: stopped successfully" stopped $agent
check 'both are running' both_running
mark
check 'without a session both stop immediately' takes 0 5 systemctl stop $agent $relay
check "$relay: stopped successfully" stopped $relay
check "$agent: stopped successfully" stopped $agent
check 'both are running' both_running
session endless 90
mark
systemctl stop --no-block $relay
within 10 logged $relay relay.draining
systemctl kill --signal=TERM --kill-who=main $relay
check 'a second SIGTERM stops the relay immediately' takes 0 5 systemctl stop $relay
check 'successfully, with exit code 143' stopped $relay 143
mark
systemctl start $relay
systemctl stop $relay
check 'stopped successfully during startup' stopped $relay '(0|15|143)'

group 'The port is in use'
mark
"${peer[@]}" occupy 4000 &
occupant=$!
within 10 listening 4000
systemctl start $relay
check 'the journal has the error' within 30 logged $relay 'server2server: cannot listen on .*:4000: Address already in use'
check 'systemctl status shows the failure and the restart' within 30 status_shows $relay 'auto-restart'
check 'each restart is after 5 s' within 60 restart_delay $relay 5
kill $occupant
check 'it listens when the port is free' within 60 logged $relay relay.listening
check 'users reach the target again' within 60 serves

group 'The key file is missing'
systemctl stop $relay
mv /etc/$relay.key /root/
mark
check 'systemctl start fails' not systemctl start $relay
check 'the journal names the file' logged $relay "cannot stat '/etc/$relay.key'"
mv /root/$relay.key /etc/
check 'users reach the target again when the file is back' within 60 serves

group 'The keys change'
mark
cp /etc/$relay.key /root/first.key
(new_key /root/second.key)
sed 's/$/ # second/' /root/second.key >> /etc/$relay.key
check 'systemctl reload reads a second key' keeps_process $relay systemctl reload $relay
check 'it logs what changed' within 30 logged $relay 'keys.reloaded service=default keys=2 added=1 removed=0'
check 'the agent stays attached' not_logged $relay agent.detached
session rotated 30
cp /root/second.key /etc/$agent.key
check 'systemctl reload changes the key of the agent' keeps_process $agent systemctl reload $agent
check 'the agent attaches with the second key' within 60 logged $relay 'agent.attached .*key=second'
cp /root/second.key /etc/$relay.key
ln -sfT /etc/victim /run/server2server/key
echo untouched > /etc/victim
check 'systemctl reload removes the first key' keeps_process $relay systemctl reload $relay
check 'it logs the removal' within 30 logged $relay 'keys.reloaded service=default keys=1 added=0 removed=1'
cp /root/first.key /etc/$relay.key
check 'a symbolic link in its place is replaced' equal untouched "$(cat /etc/victim)"
check 'the copy is readable by its user alone' equal "600 $(stat -Lc %U /run/server2server)" "$(stat -c '%a %U' /run/server2server/key)"
check 'systemctl reload revokes the agent' keeps_process $relay systemctl reload $relay
check 'the relay detaches it' within 30 logged $relay 'agent.detached .*reason=KEY_REMOVED'
check 'the session goes on' within 40 ended rotated complete
cp /root/first.key /etc/$agent.key
systemctl reload $agent
check 'users reach the target with the first key' within 60 serves

group 'The key is wrong'
new_key /root/wrong.key
mv /etc/$relay.key /root/
cp /root/wrong.key /etc/$relay.key
mark
systemctl restart $relay
check 'the agent logs that the key may be wrong' within 60 logged $agent 'ERROR .*control.refused'
check 'the relay logs that it refused the agent' logged $relay 'WARN .*auth.refused .*WRONG_KEY'
check 'the agent keeps running' is $agent ActiveState active
mv /root/$relay.key /etc/
systemctl restart $relay
check 'it reconnects when the key is right' within 60 serves

group 'An option is wrong'
mark
echo 'OPTIONS=--pol 8' > /etc/$relay.env
systemctl restart $relay
check 'systemctl status shows the error' within 30 status_shows $relay 'server2server: unknown option'
check 'the unit failed' within 10 is $relay ActiveState failed
check 'with exit code 2' is $relay ExecMainStatus 2
check 'it is not restarted' not within 8 not is $relay ActiveState failed
rm /etc/$relay.env
systemctl start $relay
check 'it runs after the option is fixed and the unit started' within 60 serves
mv /etc/$agent.env /root/
mark
check 'the agent without its .env file does not start' not systemctl restart $agent
check 'the journal has the reason' within 10 logged $agent 'Failed to load environment files'
mv /root/$agent.env /etc/
check 'it runs when the file is back' within 60 serves

group 'A port below 1024'
mark
echo 'PORT=443' > /etc/$relay.env
systemctl restart $relay
check 'it is denied without the drop-in' within 30 logged $relay 'server2server: cannot listen on .*:443: Permission denied'
readme CAP_NET_BIND_SERVICE | dropin $relay
check 'the drop-in in the unit equals that in docs/operations.md' equal "$(readme CAP_NET_BIND_SERVICE)" \
  "$(sed -n '/^#   \[Service\]/,/^$/s/^#   //p' "/etc/systemd/system/$relay.service")"
cp /etc/$agent.env /root/
sed -i 's/RELAY_PORT=.*/RELAY_PORT=443/' /etc/$agent.env
systemctl restart $relay $agent
check 'users reach the target with the drop-in' within 60 serves 443
no_dropin $relay
rm /etc/$relay.env
cp /root/$agent.env /etc/
systemctl restart $relay $agent

group '/tmp is mounted noexec'
mount -o remount,noexec /tmp
mark
systemctl restart $relay $agent
check 'users reach the target' within 60 serves
if supports ExecPaths; then
  check 'the relay loaded its native libraries' uses $relay EPOLL boringssl
  check 'the agent loaded its native libraries' uses $agent EPOLL boringssl
else
  skip 'the native libraries are loaded' 'this systemd has no ExecPaths'
fi
for unit in $relay $agent; do printf '[Service]\nExecPaths=\n' | dropin "$unit"; done
mark
systemctl restart $relay $agent
check 'users reach the target without ExecPaths too' within 60 serves
check 'the relay then uses the JDK'"'"'s transport and TLS' uses $relay NIO jdk
check 'the agent then uses the JDK'"'"'s transport and TLS' uses $agent NIO jdk
mount -o remount,exec /tmp
for unit in $relay $agent; do no_dropin "$unit"; done

group 'Names and addresses'
cp /etc/$agent.env /root/
mark
resolve_by dns
systemctl restart $relay $agent
check 'the agent resolves the relay by DNS' within 60 logged $agent control.ready
mark
sed -i 's/RELAY_HOST=.*/RELAY_HOST=::1/' /etc/$agent.env
systemctl restart $agent
check 'the agent reaches the relay by IPv6' within 60 logged $agent 'control.ready .*relay=.*::?1'
check 'users reach the target' within 60 serves
cp /root/$agent.env /etc/

group 'More than the defaults, as docs/operations.md says'
{ readme JAVA_OPTIONS= && echo 'OPTIONS=--max-sessions 9000 --threads 256 --drain 10m'; } > /etc/$relay.env
{ readme LimitNOFILE= && readme TimeoutStopSec=; } | dropin $relay
mark
systemctl restart $relay $agent
check 'users reach the target' within 60 serves
check 'memory' matches ' -Xmx64m .* -Xmx256m -XX:MaxDirectMemorySize=512m -jar ' "$(cmdline $relay)"
check 'descriptors' matches ' 20000 +20000 ' "$(grep 'open files' "/proc/$(pid $relay)/limits")"
check 'sessions' logged $relay 'relay.listening .*max_sessions=9000'
check '600 users on 256 event loops' "${peer[@]}" bulk 127.0.0.1 4000 600 64
check 'the threads are within the unit'"'"'s TasksMax' between 256 "$(property $relay TasksMax)" "$(awk '/Threads/ { print $2 }' "/proc/$(pid $relay)/status")"
session long 55
mark
check 'a session longer than the unit'"'"'s TimeoutStopSec finishes' takes 46 70 systemctl stop $relay
check 'the session is complete' ended long complete
check 'stopped successfully' stopped $relay
rm /etc/$relay.env
no_dropin $relay

group 'Disclosure and log attribution'
check 'both are running' both_running
cat /etc/$relay.key /root/wrong.key /root/second.key > /root/keys
check 'no key is in the journal, a command line, an environment or systemctl output' not disclosed /root/keys
new_key /root/decoy.key
python3 -c 'import time; time.sleep(20)' "$(cat /root/decoy.key)" &
check 'a key on a command line is found' within 10 disclosed /root/decoy.key
check "$relay: the priority of each line matches its level" priorities $relay
check "$agent: the priority of each line matches its level" priorities $agent
check 'journalctl -p err shows why the relay did not start' matches 'Address already in use' "$(program_lines $relay -p err)"
check 'journalctl -p warning shows that a key may be wrong' matches control.refused "$(program_lines $agent -p warning)"
check 'every line has its unit and identifier' lines_are_attributed

summary
