#!/usr/bin/env bash
# The checks of run.sh with TASKS=1, run in its container: each page of docs/tasks, with its commands as written. Relay and
# agent run on the same machine; users are in a network namespace with an address of their own, 198.51.100.7.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../../../.." || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

prepare() {
  systemctl is-system-running --wait > /dev/null || systemctl --no-pager --failed
  systemctl stop nginx fail2ban prometheus haproxy tinyproxy xrdp xrdp-sesman
  ip netns add users
  ip link add relay type veth peer name user netns users
  ip address add 198.51.100.1/24 dev relay
  ip link set relay up
  ip -n users address add 198.51.100.7/24 dev user
  ip -n users link set user up
  ip -n users link set lo up
  echo '198.51.100.1 relay.example.com' >> /etc/hosts
  useradd --create-home --shell /bin/bash you
  echo you:secret | chpasswd
  readme_run 'install -m 644 server2server' && readme_run 'read -rp' < /etc/$relay.key \
    && readme_run 'install -m 644 client2client'
}

# user COMMAND...: as a user elsewhere.
user() { ip netns exec users "$@"; }

# attached: the agent is, since the last mark.
attached() { logged $agent control.ready; }

ssh_as() {
  user sshpass -p "$1" ssh -p 4000 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=10 \
    -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 "you@${host:-relay.example.com}" "${@:2}"
}

logs_in() { equal you "$(ssh_as secret whoami)"; }

options() { sed -i '/^OPTIONS=/d' "/etc/$1.env"; }

ssh_log() {
  journalctl --sync
  journalctl --quiet --no-pager --output=cat --unit=ssh
}

# guess: several wrong passwords at once, since sshd forgets penalties by the second.
guess() {
  local pids=()
  for _ in 1 2 3 4 5 6 7 8; do
    ssh_as wrong true > /dev/null 2>&1 &
    pids+=($!)
  done
  wait "${pids[@]}"
  return 0
}

# limited: of ten connections at once some are reset.
limited() {
  local i
  for i in 1 2 3 4 5 6 7 8 9 10; do
    user "${peer[@]}" user relay.example.com 4000 > /dev/null 2>&1 &
  done
  within 20 logged $relay 'connection.refused from=198.51.100.7:.* reason=RATE'
}

# burst_dropped: of 40 connections at once the filter lets 20 and a few more through.
burst_dropped() {
  local i pids=() through=0
  for i in {1..40}; do
    user timeout 1 bash -c 'exec 3<> /dev/tcp/198.51.100.1/4000' 2> /dev/null &
    pids+=($!)
  done
  for i in "${pids[@]}"; do
    ! wait "$i" || ((through += 1))
  done
  between 15 35 "$through"
}

# scraped: Prometheus has a value of the relay.
scraped() { matches '"value":' "$(curl -s 'http://localhost:9090/api/v1/query?query=c2c_relay_agents')"; }

banned() { matches 198.51.100.7 "$(fail2ban-client status sshd)"; }

# ---- programs without systemd

manual=/run/manual
declare -A running=()

# command_of PAGE TEXT: prints the command line with this text on that page; there must be exactly one.
command_of() {
  local found
  found=$(grep -e '^java' "docs/tasks/$1.md" | grep -F -e "$2")
  [[ -n $found && $found != *$'\n'* ]] || {
    echo "$1.md does not have exactly one command with: $2" >&2
    return 1
  }
  echo "$found"
}

# start NAME COMMAND: in a directory with the jars and keys, in the background.
start() {
  (cd $manual && exec bash -c "exec $2") > "$manual/$1.log" 2>&1 &
  running[$1]=$!
}

stop() {
  local name
  for name in "$@"; do
    kill "${running[$name]}" 2> /dev/null
    wait "${running[$name]}"
    unset "running[$name]"
  done
}

says() { grep -Eq -e "$2" "$manual/$1.log" || ! tail -n 5 "$manual/$1.log"; }

new_key() { (umask 077 && head -c 24 /dev/urandom | base64 > "$manual/$1"); }

# listens PORT: a program on this machine does.
listens() { matches . "$(ss -Hltn "sport = :$1")"; }

# admitted COUNT: so many logins at the desktop succeeded.
admitted() { equal "$1" "$(grep -c 'Access permitted for user: you' /var/log/xrdp-sesman.log)"; }

# desktop OPTION...: a user's RDP client, until it is stopped.
desktop() {
  start desktop "ip netns exec users env DISPLAY=:9 HOME=$manual xfreerdp3 /v:relay.example.com:4000 /u:you /p:secret $*"
}

# ----

mark
prepare
check 'the agent is attached' within 60 attached

group 'ssh.md: with the address of the user'
check 'a user logs in' logs_in
check 'at the address of the agent, so far' matches 'Accepted password for you from 127.0.0.1' "$(ssh_log)"
mark
check 'the commands for --transparent' page_run ssh 'OPTIONS=--transparent'
check 'the agent is attached' within 60 attached
check 'a user logs in' logs_in
check 'at an address of its own' matches 'Accepted password for you from 198.51.100.7' "$(ssh_log)"
check 'the agent has one capability' matches '^CapEff:.0000000000001000$' "$(grep CapEff "/proc/$(pid $agent)/status")"

group 'ssh.md: fail2ban'
check 'the commands for fail2ban' page_run ssh 'apt-get install fail2ban'
check 'the jail is there' within 30 fail2ban-client status sshd
guess
check 'who guesses is banned' within 30 banned
check 'a banned user does not get in' not ssh_as secret true
check 'the log of the agent says so' within 10 logged $agent 'session.failed .*user=198.51.100.7:.*reason=TARGET_REFUSED'
check 'the ban ends' fail2ban-client set sshd unbanip 198.51.100.7
systemctl stop fail2ban
systemctl restart ssh # forgets penalties
check 'the user gets in again' within 10 logs_in

group 'ssh.md: without the address of the user'
rm /etc/systemd/system/client2client.service.d/transparent.conf
systemctl daemon-reload
systemctl disable --now client2client-routes
options $agent
mark
systemctl restart $agent
check 'the agent is attached' within 60 attached
if sshd -T 2> /dev/null | grep -q '^persourcepenaltyexemptlist'; then
  guess
  check 'sshd refuses all users after the guesses of one' not ssh_as secret true
  check 'the commands for sshd' page_run ssh PerSourcePenaltyExemptList
  sed -i '/PasswordAuthentication/d' /etc/ssh/sshd_config.d/relay.conf # the tests have no key
  systemctl restart ssh
  guess
  check 'then it does not' logs_in
else
  skip 'PerSourcePenaltyExemptList' "this sshd has no penalties: $(ssh -V 2>&1)"
fi
mark
check 'the commands for the relay' page_run ssh --sessions-per-second
check 'the agent is attached' within 60 attached
check 'a user is slowed down' limited
options $relay
rm -f /etc/ssh/sshd_config.d/relay.conf
systemctl restart ssh $relay

group 'web.md'
rm -f /etc/nginx/sites-enabled/default
systemctl start nginx
mark
check 'the commands for nginx' page_run web 'proxy_protocol;'
check 'the agent is attached' within 60 attached
check 'a visitor sees the site' user bash -euc "$(page web 'curl http' | head -n 1)"
check 'the log has its address' matches '^198.51.100.7 ' "$(bash -euc "$(page web 'curl http' | tail -n 1)")"
options $agent

group 'database.md'
sed -i 's/^TARGET=.*/TARGET=5432/' /etc/$agent.env
mark
systemctl restart $agent
check 'the agent is attached' within 60 attached
check 'the rules of PostgreSQL ask for a password' not matches 'trust|peer|ident' "$(bash -euc "$(page database pg_hba)")"
runuser -u postgres -- psql -qc "CREATE ROLE app LOGIN PASSWORD 'secret'" -c 'CREATE DATABASE app OWNER app'
check 'a user without the password is refused' not user env PGPASSWORD=wrong bash -euc "$(page database psql) -c 'SELECT 1'"
check 'a user with the password gets in, by TLS' matches '^t$' \
  "$(user env PGPASSWORD=secret bash -euc "$(page database psql) -Atc 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'")"

group 'keys.md'
mark
check 'the commands that add a key' page_run keys 'sed '"'"'s/$/ # laptop/'"'"
check 'the relay has it' within 30 logged $relay 'keys.reloaded service=default keys=2 added=1 removed=0'
check 'the commands on the machine of the agent' page_run keys 'install -m 600'
check 'the agent attaches with it' within 60 logged $relay 'agent.attached .*key=laptop'
mark
check 'the commands that revoke it' page_run keys '# laptop$/d'
check 'the agent is detached' within 30 logged $relay 'agent.detached .*reason=KEY_REMOVED'
check 'it cannot attach' within 60 logged $agent control.refused
readme_run 'read -rp' < /etc/$relay.key
mark
systemctl restart $agent
check 'with the first key it can' within 60 attached

group 'The packet filter of operations.md'
nft -f - <<< "$(block docs/operations.md '## Who may connect' 'table inet relay')"
check 'connections in a burst are dropped' burst_dropped
nft delete table inet relay

group 'metrics.md'
page metrics OPTIONS=--admin >> /etc/$relay.env
mark
systemctl restart $relay
check 'the relay listens' within 60 logged $relay admin.listening
check 'the status' matches 'program: server2server' "$(bash -euc "$(page metrics 'status 9001')")"
cp docs/monitoring/alerts.yml /etc/prometheus/
page metrics scrape_configs > /etc/prometheus/prometheus.yml
check 'promtool accepts the configuration' promtool check config /etc/prometheus/prometheus.yml
systemctl start prometheus
check 'Prometheus reads the metrics' within 120 scraped
check 'Prometheus has the alerts' matches ServiceWithoutAgent "$(curl -s http://localhost:9090/api/v1/rules)"

systemctl stop prometheus
options $relay

group 'services.md'
systemctl stop $relay $agent nginx
mkdir $manual
cp server2server/target/server2server.jar client2client/target/client2client.jar $manual
new_key keys
new_key db-keys
cp $manual/keys $manual/key
cp $manual/db-keys $manual/db-key
"${peer[@]}" target 8080 > /dev/null &
start relay "$(command_of services "--service web")"
start agent "$(command_of services --forward)"
check 'the agent offers web' within 60 says agent 'control.ready service=web'
check 'the agent offers db' within 60 says agent 'control.ready service=db'
check 'a user reaches web' user "${peer[@]}" user relay.example.com 4080
check 'a user reaches db' user env PGPASSWORD=secret psql -qh relay.example.com -p 4543 -U app -c 'SELECT 1' app
stop agent relay
page services service.web > $manual/relay.conf
start relay "$(command_of services "--config relay.conf")"
check 'the relay has the services of the file' within 60 says relay 'relay.listening service=db .*port=4543'
sed -i /service.web/d $manual/relay.conf
kill -HUP "${running[relay]}"
check 'SIGHUP removes a service' within 10 says relay 'service.removed service=web'
stop relay

group 'agents.md'
start relay 'java -jar server2server.jar --key-file key 4000'
start north "$(command_of agents north)"
start south "$(command_of agents south)"
check 'one agent is attached' within 60 says relay 'agent.attached .*label=north'
check 'the other is attached' within 60 says relay 'agent.attached .*label=south'
check 'a user logs in' logs_in
stop north
check 'a user logs in at the other' logs_in
stop south

group 'rdp.md'
systemctl start xrdp
ip address add 192.168.1.20/32 dev lo
printf '%s\n' 'touch ~/desktop' 'exec xterm' > /home/you/.xsession
start screen 'Xvfb :9 -nolisten tcp'
start agent "$(command_of rdp ' 3389')"
check 'the agent is attached' within 60 says agent control.ready
desktop /cert:deny
check 'the client does not know the certificate' within 60 says desktop 'CERTIFICATE|certificate'
stop desktop
desktop /cert:ignore
check 'a user has a desktop' within 60 test -f /home/you/desktop
stop desktop
check 'the screen was sent' within 10 says agent 'session.close .*down=[0-9]{5}'
stop agent
start agent "$(command_of rdp 192.168.1.20)"
check 'the agent is attached, on another machine' within 60 says agent control.ready
desktop /cert:ignore
check 'a user logs in again' within 60 admitted 2
stop desktop
check 'the screen was sent again' within 10 says agent 'session.close .*down=[0-9]{5}'
stop agent screen

group 'proxy.md'
echo '198.51.100.1 proxy.example.com' >> /etc/hosts
sed -i 's/^Port .*/Port 3128/; /^ConnectPort/d; s/^Allow 127.0.0.1/Allow 198.51.100.1/' /etc/tinyproxy/tinyproxy.conf
systemctl start tinyproxy
start agent "$(command_of proxy ':3128 22 relay.example.com 4000')"
check 'the agent is attached' within 60 says agent control.ready
check 'a user logs in' logs_in
check 'through the proxy' matches 'CONNECT relay.example.com:4000' "$(cat /var/log/tinyproxy/tinyproxy.log)"
stop agent
start socks 'sshpass -p secret ssh -N -D 1080 -o StrictHostKeyChecking=no you@localhost'
echo any > $manual/password
check 'the SOCKS proxy listens' within 10 listens 1080
start agent "$(command_of proxy socks5://)"
check 'the agent is attached' within 60 says agent control.ready
check 'by the SOCKS proxy' says agent 'agent.started .*proxy=socks5://localhost:1080'
check 'a user logs in' logs_in
stop agent socks relay
start relay 'java -jar server2server.jar --key-file key 443'
start agent "$(command_of proxy --tls-first)"
check 'the agent is attached, TLS first' within 60 says agent control.ready
stop agent relay
systemctl stop tinyproxy

group 'relays.md'
ip address add 10.0.0.5/24 dev relay
ip address add 10.0.0.6/24 dev relay
ip -n users route add 10.0.0.0/24 dev user
printf '%s\n' '10.0.0.5 relay1.example.com relays.example.com' '10.0.0.6 relay2.example.com relays.example.com' >> /etc/hosts
echo secret > $manual/password
for i in 5 6; do
  start relay$i "java -jar server2server.jar --key-file key --bind 10.0.0.$i --admin 10.0.0.$i:9001 \
    --admin-password-file password 4000"
done
page relays 'listen relays' > /etc/haproxy/haproxy.cfg
start haproxy 'ip netns exec users haproxy -f /etc/haproxy/haproxy.cfg'
start agent "$(command_of relays relay1.example.com,relay2.example.com)"
check 'the agent is attached to one' within 60 says agent 'control.ready .*10.0.0.5:4000'
check 'the agent is attached to the other' within 60 says agent 'control.ready .*10.0.0.6:4000'
host=127.0.0.1
check 'a user logs in' within 10 logs_in
stop relay5
check 'a user logs in without the one' within 10 logs_in
stop agent
start relay5 'java -jar server2server.jar --key-file key --bind 10.0.0.5 --admin 10.0.0.5:9001 --admin-password-file password 4000'
start agent "$(command_of relays --all-addresses)"
check 'the agent is attached to one address' within 60 says agent 'control.ready .*10.0.0.5:4000'
check 'the agent is attached to the other' within 60 says agent 'control.ready .*10.0.0.6:4000'
stop relay6
check 'a user logs in without the other' within 10 logs_in
stop agent relay5 haproxy
host=relay.example.com
start relay "$(command_of relays --close-without-agent)"
check 'the port of the users closes' within 30 says relay 'port.closed service=ssh'
check 'nothing listens' not listens 4022
start agent 'java -jar client2client.jar --key-file key --service ssh 22 relay.example.com 4000'
check 'it opens with an agent' within 60 says relay 'port.opened service=ssh'
check 'it listens' listens 4022
stop agent relay

summary
