#!/usr/bin/env bash
# What run.sh checks, inside its container, in order. Each group begins with both programs at work.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../../.." || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

relay=server2server
agent=client2client

# ---- the machine around them

prepare() {
  systemctl is-system-running --wait > /dev/null || systemctl --no-pager --failed
  [[ ! -d /opt/java ]] || ln -sf /opt/java/bin/java /usr/bin/java
  # A network card, as machines have; nothing is at its other end.
  ip link add card type veth peer name end
  ip link set card up
  ip link set end up
  ip address add 192.0.2.1/24 dev card
  # More than what Netty takes where it cannot read it.
  echo 5000 > /proc/sys/net/core/somaxconn
  # Names are known to DNS, and nobody but resolved is asked for them.
  "${peer[@]}" dns 5353 &
  mkdir -p /etc/systemd/resolved.conf.d
  printf '[Resolve]\nDNS=127.0.0.1:5353\nDNSSEC=no\n' > /etc/systemd/resolved.conf.d/checks.conf
  systemctl restart systemd-resolved
  ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
  names_come_from resolve
  # On Debian 11 nobody gets an answer from it.
  within 5 getent hosts relay.example.com > /dev/null || names_come_from dns
  "${peer[@]}" target 22 > /dev/null &
}

names_come_from() { sed -i "s/^hosts:.*/hosts: $1/" /etc/nsswitch.conf; }

at_work() {
  systemctl start "$relay" "$agent"
  within 90 serves
}

# ---- what is asked of them

unit_files_are_right() {
  local complaints
  complaints=$(systemd-analyze verify "/etc/systemd/system/$relay.service" "/etc/systemd/system/$agent.service" 2>&1)
  complaints=$(grep -E "$relay|$agent" <<< "$complaints")
  knows ExecPaths || complaints=$(grep -v "'ExecPaths'" <<< "$complaints")
  equal '' "$complaints"
}

# Directives that are younger than the oldest systemd the units are for, 247, and may be ignored there.
knows() { systemctl show "$relay" --property="$1" | grep -q .; }

exposure() { matches 'Overall exposure level.*: (0\.[0-9]|1\.[0-3]) ' "$(systemd-analyze security --no-pager "$1")"; }

# confined UNIT: a user of its own and nothing to fall back on, as the kernel has it.
confined() {
  local status
  status=$(cat "/proc/$(pid "$1")/status")
  matches $'^Uid:\t6[0-9]{4}\t' "$status" && matches $'^CapEff:\t0+$' "$status" && matches $'^CapBnd:\t0+$' "$status" \
    && matches $'^NoNewPrivs:\t1$' "$status" && matches $'^Seccomp:\t2$' "$status"
}

# uses UNIT TRANSPORT TLS
uses() { said "$1" "(relay.listening|agent.started) .*transport=$2 tls=$3"; }

listening() { matches . "$(ss -H -l -t -n "sport = :$1")"; }

whole_backlog() {
  equal 5000 "$(ss -H -l -t -n 'sport = :4000' | awk '{ print $3 }')"
}

# paused UNIT SECONDS: so long systemd waited at least, each of the last times that it started it again.
paused() {
  journalctl --sync
  journalctl --quiet --no-pager --output=short-unix --after-cursor="$cursor" --unit="$1" | awk -v least="$2" '
    / systemd\[1\]: .*: Failed with result / { failed = $1 }
    / systemd\[1\]: Starting / && failed { print pause = $1 - failed; if (pause >= least) right++; else wrong++; failed = 0 }
    END { exit !(right > 1 && !wrong) }'
}

# stopped UNIT [CODES]: by itself, in time, and systemd has nothing to complain of.
stopped() {
  is "$1" ActiveState inactive && is "$1" Result success \
    && matches "^${2:-0}\$" "$(property "$1" ExecMainStatus)" && silent "$1" 'timed out|SIGKILL|Killing|Failed'
}

refused_reload() {
  local process output
  process=$(pid "$1")
  if output=$(systemctl reload "$1" 2>&1); then return 1; fi
  matches 'reload is not applicable' "$output" && equal "$process" "$(pid "$1")"
}

same_after() {
  local process
  process=$(pid "$1")
  "${@:2}" && equal "$process" "$(pid "$1")"
}

# ours UNIT [ARGUMENT...]: the program's own lines.
ours() { entries "_SYSTEMD_UNIT=$1.service" "SYSLOG_IDENTIFIER=$1" "${@:2}"; }

# priorities UNIT: every line has one that fits, and no time besides the journal's. Runtime.exit is Java 21 itself, when
# it is stopped before it is there.
priorities() {
  equal '' "$(
    ours "$1" -p 3..3 | grep -Ev "^(ERROR |$1: |Try --help)"
    ours "$1" -p 4..4 | grep -v '^WARN '
    ours "$1" -p 6..6 | grep -Ev '^(INFO |Runtime\.exit\()'
    ours "$1" -p 0..2
    ours "$1" -p 5..5
    ours "$1" -p 7..7
  )"
}

no_line_elsewhere() {
  equal "$(printf '%s\n' "$agent" "$agent.service" "$relay" "$relay.service")" \
    "$(entries --output-fields=_SYSTEMD_UNIT,SYSLOG_IDENTIFIER _COMM=java | sort -u)"
}

everything_that_others_can_read() {
  cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ
  journalctl --sync
  journalctl --no-pager --all --output=export
  systemctl show "$relay" "$agent"
  systemctl cat "$relay" "$agent"
  systemctl status --no-pager --full --lines=1000 "$relay" "$agent"
}

# shown KEYS: one of them is in what others can read.
shown() { grep -aFf "$1" <(everything_that_others_can_read 2> /dev/null); }

new_key() { (umask 077 && head -c 24 /dev/urandom | base64 | tr '+/' '-_' > "$1"); }

# ----

prepare

group 'Installed as README.md says'
mark
check 'the commands for the relay' readme_run 'install -m 644 server2server'
check 'the key for the agent' readme_run 'read -rp' < /etc/$relay.key
check 'the commands for the agent' readme_run 'install -m 644 client2client'
check 'systemd-analyze verify says nothing' unit_files_are_right
check 'the relay will start with the machine' is $relay UnitFileState enabled
check 'the agent will start with the machine' is $agent UnitFileState enabled
if grep -q '^hosts: resolve' /etc/nsswitch.conf; then
  check 'the agent finds the relay by a name that it asks systemd-resolved for' within 60 said $agent control.ready
else
  skip 'the agent asks systemd-resolved for a name' 'nobody gets an answer here'
fi
check 'a user reaches the target' within 60 serves
serves 4000 > /dev/null || { # and will not below
  summary
  exit 1
}
check 'a user reaches it by IPv6' "${peer[@]}" user ::1 4000
check 'the relay logs the name of the agent'"'"'s machine' said $relay "agent.attached .*label=$(uname -n)"
check 'the relay loaded its native libraries' uses $relay EPOLL boringssl
check 'the agent loaded its native libraries' uses $agent EPOLL boringssl
check 'the relay is confined' confined $relay
check 'the agent is confined' confined $agent
check 'systemd-analyze security: the relay is at 1.3 or less' exposure $relay
check 'systemd-analyze security: the agent is at 1.3 or less' exposure $agent
check 'the relay has the whole queue of connections to accept' whole_backlog
check '20 users send 20 MiB each there and back' "${peer[@]}" bulk 127.0.0.1 4000 20 20480
for unit in $relay $agent; do
  echo "          $unit: $(awk '/VmHWM/ { printf "%d MB resident at most", $2 / 1024 }' "/proc/$(pid "$unit")/status")"
done

group 'Killed'
for unit in $relay $agent; do
  session killed 60
  systemctl kill --signal=KILL --kill-who=main "$unit"
  check "$unit: the session is reset" ended killed '(reset|eof)'
  check "$unit: systemd starts it again, once" within 30 is "$unit" NRestarts 1
  check "$unit: users reach the target again" within 60 serves
done

group 'Reloaded'
check 'systemctl reload says that there is none, and changes nothing' refused_reload $relay
check 'systemctl daemon-reload changes nothing' same_after $relay systemctl daemon-reload
check 'systemctl restart' systemctl restart $relay $agent
check 'users reach the target again' within 60 serves
session upgraded 5
check 'the jar is replaced under a session' bash -euc "$(readme 'install -m 644 server2server' | grep '\.jar$')"
mark
check 'systemctl restart lets the session finish' takes 2 20 systemctl restart $relay
check 'the session is complete' ended upgraded complete
check 'no line about a fault of the program' silent $relay ERROR
check 'users reach the target again' within 60 serves
readme 'OPTIONS=--pool 8' > /etc/$relay.env
systemctl restart $relay
check 'options from the .env file' matches '/key --pool 8 --idle-timeout 2h 4000 $' "$(cmdline $relay)"
check 'users reach the target with them' within 60 serves
rm /etc/$relay.env
systemctl restart $relay

group 'Stopped under traffic'
for unit in $relay $agent; do
  check 'both are at work' at_work
  mark
  session finishing 6
  systemctl stop --no-block "$unit"
  within 10 said "$unit" '(relay|agent).draining'
  [[ "$unit" == "$agent" ]] || check "$unit: new users are refused at once" takes 0 2 not serves
  check "$unit: it waits for the session" takes 2 15 systemctl stop "$unit"
  check "$unit: the session is complete" ended finishing complete
  check "$unit: stopped, with success" stopped "$unit"
done
check 'both are at work' at_work
mark
session endless 90
check 'a session that goes on is ended after --drain, 30 s' takes 25 40 systemctl stop $relay $agent
check 'it was reset' ended endless reset
check "$relay: stopped, with success" stopped $relay
check "$agent: stopped, with success" stopped $agent
check 'both are at work' at_work
mark
check 'without a session they stop at once' takes 0 5 systemctl stop $agent $relay
check "$relay: stopped, with success" stopped $relay
check "$agent: stopped, with success" stopped $agent
check 'both are at work' at_work
session endless 90
mark
systemctl stop --no-block $relay
within 10 said $relay relay.draining
systemctl kill --signal=TERM --kill-who=main $relay
check 'a second SIGTERM ends it at once' takes 0 5 systemctl stop $relay
check 'with success, and exit code 143' stopped $relay 143
mark
systemctl start $relay
systemctl stop $relay
check 'stopped while it starts, with success' stopped $relay '(0|15|143)'

group 'The port is in use'
mark
"${peer[@]}" occupy 4000 &
occupant=$!
within 10 listening 4000
systemctl start $relay
check 'the journal says so' within 30 said $relay 'server2server: cannot listen on .*:4000: Address already in use'
check 'systemctl status says that it failed and is tried again' within 30 status_says $relay 'auto-restart'
check 'after 5 s each time' within 60 paused $relay 5
kill $occupant
check 'it works when the port is free' within 60 said $relay relay.listening
check 'users reach the target again' within 60 serves

group 'The key file is missing'
systemctl stop $relay
mv /etc/$relay.key /root/
check 'systemctl start says that it failed' not systemctl start $relay
check 'systemctl status says that it is the credentials' status_says $relay 'status=243/CREDENTIALS'
mv /root/$relay.key /etc/
check 'users reach the target again when it is back' within 60 serves

group 'The key is wrong'
new_key /root/wrong.key
mv /etc/$relay.key /root/
cp /root/wrong.key /etc/$relay.key
mark
systemctl restart $relay
check 'the agent says that the key may be wrong' within 60 said $agent 'ERROR .*control.refused'
check 'the relay says that it refused the agent' said $relay 'WARN .*auth.refused .*WRONG_KEY'
check 'the agent goes on' is $agent ActiveState active
mv /root/$relay.key /etc/
systemctl restart $relay
check 'it attaches by itself when the key is right' within 60 serves

group 'An option is wrong'
mark
echo 'OPTIONS=--pol 8' > /etc/$relay.env
systemctl restart $relay
check 'systemctl status says so' within 30 status_says $relay 'server2server: unknown option'
check 'it has failed' within 10 is $relay ActiveState failed
check 'with exit code 2' is $relay ExecMainStatus 2
check 'it is not tried again' not within 8 not is $relay ActiveState failed
rm /etc/$relay.env
systemctl start $relay
check 'it works when that is mended and it is started' within 60 serves
mv /etc/$agent.env /root/
mark
check 'the agent without its .env file does not start' not systemctl restart $agent
check 'the journal says why' within 10 said $agent 'Failed to load environment files'
mv /root/$agent.env /etc/
check 'it works when the file is there' within 60 serves

group 'A port below 1024'
mark
echo 'PORT=443' > /etc/$relay.env
systemctl restart $relay
check 'is denied without the drop-in' within 30 said $relay 'server2server: cannot listen on .*:443: Permission denied'
readme CAP_NET_BIND_SERVICE | dropin $relay
check 'the drop-in in the unit is that of README.md' equal "$(readme CAP_NET_BIND_SERVICE)" \
  "$(sed -n '/^#   \[Service\]/,/^$/s/^#   //p' "/etc/systemd/system/$relay.service")"
cp /etc/$agent.env /root/
sed -i 's/RELAY_PORT=.*/RELAY_PORT=443/' /etc/$agent.env
systemctl restart $relay $agent
check 'users reach the target there with it' within 60 serves 443
no_dropin $relay
rm /etc/$relay.env
cp /root/$agent.env /etc/
systemctl restart $relay $agent

group '/tmp is mounted noexec'
mount -o remount,noexec /tmp
mark
systemctl restart $relay $agent
check 'users reach the target' within 60 serves
if knows ExecPaths; then
  check 'the relay loaded its native libraries' uses $relay EPOLL boringssl
  check 'the agent loaded its native libraries' uses $agent EPOLL boringssl
else
  skip 'the native libraries are loaded' 'this systemd has no ExecPaths'
fi
for unit in $relay $agent; do printf '[Service]\nExecPaths=\n' | dropin "$unit"; done
mark
systemctl restart $relay $agent
check 'users reach the target without ExecPaths too' within 60 serves
check 'the relay then uses Java'"'"'s own' uses $relay NIO jdk
check 'the agent then uses Java'"'"'s own' uses $agent NIO jdk
mount -o remount,exec /tmp
for unit in $relay $agent; do no_dropin "$unit"; done

group 'Names and addresses'
cp /etc/$agent.env /root/
mark
names_come_from dns
systemctl restart $relay $agent
check 'the agent finds the relay by a name that it asks DNS for' within 60 said $agent control.ready
mark
sed -i 's/RELAY_HOST=.*/RELAY_HOST=::1/' /etc/$agent.env
systemctl restart $agent
check 'the agent reaches the relay by IPv6' within 60 said $agent 'control.ready relay=.*::?1'
check 'users reach the target' within 60 serves
cp /root/$agent.env /etc/

group 'More than the defaults, as README.md says'
{ readme JAVA_OPTIONS= && echo 'OPTIONS=--max-sessions 9000 --threads 256 --drain 10m'; } > /etc/$relay.env
{ readme LimitNOFILE= && readme TimeoutStopSec=; } | dropin $relay
mark
systemctl restart $relay $agent
check 'users reach the target' within 60 serves
check 'memory' matches ' -Xmx64m .* -Xmx256m -XX:MaxDirectMemorySize=512m -jar ' "$(cmdline $relay)"
check 'descriptors' matches ' 20000 +20000 ' "$(grep 'open files' "/proc/$(pid $relay)/limits")"
check 'sessions' said $relay 'relay.listening .*max_sessions=9000'
check '600 users on 256 event loops' "${peer[@]}" bulk 127.0.0.1 4000 600 64
check 'the unit'"'"'s TasksMax has room for them' between 256 "$(property $relay TasksMax)" "$(awk '/Threads/ { print $2 }' "/proc/$(pid $relay)/status")"
session long 55
mark
check 'a session that outlives the unit'"'"'s TimeoutStopSec is let finish' takes 46 70 systemctl stop $relay
check 'it is complete' ended long complete
check 'stopped, with success' stopped $relay
rm /etc/$relay.env
no_dropin $relay

group 'What others can read'
check 'both are at work' at_work
cat /etc/$relay.key /root/wrong.key > /root/keys
check 'no key: in the journal, a command line, an environment, or what systemctl shows' not shown /root/keys
new_key /root/decoy.key
python3 -c 'import time; time.sleep(20)' "$(cat /root/decoy.key)" &
check 'one that is on a command line would be found' within 10 shown /root/decoy.key
check "$relay: the priority of each line is its level" priorities $relay
check "$agent: the priority of each line is its level" priorities $agent
check 'journalctl -p err says why it did not start' matches 'Address already in use' "$(ours $relay -p err)"
check 'journalctl -p warning says that a key may be wrong' matches control.refused "$(ours $agent -p warning)"
check 'every line is in its unit and under its name' no_line_elsewhere

summary
