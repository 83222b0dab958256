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
  systemctl stop nginx fail2ban prometheus
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
    -o PreferredAuthentications=password -o NumberOfPasswordPrompts=1 you@relay.example.com "${@:2}"
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
check 'Prometheus reads the metrics' within 60 scraped
check 'Prometheus has the alerts' matches ServiceWithoutAgent "$(curl -s http://localhost:9090/api/v1/rules)"

summary
