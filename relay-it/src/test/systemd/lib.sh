# Helper functions of checks.sh. Sourced; the working directory is the project root.
# shellcheck shell=bash

# shellcheck disable=SC2034 # of the scripts that source this one
relay=server2server
# shellcheck disable=SC2034
agent=client2client

passed=0
failed=0
cursor=

group() { printf '\n%s\n' "$1"; }

# check NAME COMMAND...: prints one line, and the output of the command if it failed.
check() {
  local output
  if output=$("${@:2}" 2>&1); then
    ((passed += 1))
    echo "  ok      $1"
  else
    ((failed += 1))
    echo "  FAILED  $1"
    output=$(tail -n 20 <<< "$output")
    echo "          | ${output//$'\n'/$'\n          | '}"
  fi
}

skip() { echo "  skipped $1: $2"; }

summary() {
  printf '\n%d passed, %d failed\n' "$passed" "$failed"
  ((failed == 0))
}

# ---- conditions: succeed, or print the actual value and fail

not() { ! "$@"; }

equal() {
  [[ $2 == "$1" ]] || {
    echo "$2, not $1"
    return 1
  }
}

# between LOW HIGH VALUE
between() {
  ((($3 >= $1) && ($3 <= $2))) || {
    echo "$3, not $1 to $2"
    return 1
  }
}

# matches PATTERN TEXT
matches() {
  grep -Eq -e "$1" <<< "$2" || {
    echo "$2"
    return 1
  }
}

# within SECONDS CONDITION...: succeeds if the condition does within this time.
within() {
  local end=$((SECONDS + $1)) output
  until output=$("${@:2}" 2>&1); do
    if ((SECONDS >= end)); then
      echo "$output"
      return 1
    fi
    sleep 0.2
  done
}

# takes LOW HIGH COMMAND...: succeeds if the command does, after this many seconds.
takes() {
  local from=$SECONDS
  "${@:3}" && between "$1" "$2" $((SECONDS - from))
}

# ---- systemd

property() { systemctl show --value --property="$2" "$1"; }

is() { equal "$3" "$(property "$1" "$2")"; }

pid() { property "$1" MainPID; }

cmdline() { tr '\0' ' ' < "/proc/$(pid "$1")/cmdline"; }

status_shows() { matches "$2" "$(systemctl status --no-pager --full --lines=20 "$1")"; }

dropin() {
  mkdir -p "/etc/systemd/system/$1.service.d"
  cat > "/etc/systemd/system/$1.service.d/override.conf"
  systemctl daemon-reload
}

no_dropin() {
  rm -r "/etc/systemd/system/$1.service.d"
  systemctl daemon-reload
}

# ---- the journal

entries() {
  journalctl --sync
  journalctl --quiet --no-pager --output=cat "$@"
}

# Excludes earlier lines from logged and not_logged.
mark() {
  journalctl --sync
  cursor=$(journalctl --quiet --lines=0 --show-cursor | sed 's/^-- cursor: //')
}

logged() { matches "$2" "$(entries --after-cursor="$cursor" --unit="$1")"; }

not_logged() { not logged "$1" "$2"; }

# ---- the commands of the documents

# readme TEXT: prints the code block with this text in the systemd section; there must be exactly one.
readme() { block docs/operations.md '## systemd' "$1"; }

# page NAME TEXT: prints the code block with this text on that page of docs/tasks; there must be exactly one.
page() { block "docs/tasks/$1.md" '' "$2"; }

# block FILE SECTION TEXT
block() {
  awk -v section="$2" -v text="$3" '
    BEGIN { here = section == "" }
    section != "" && /^## / { here = $0 == section }
    here && /^```/ {
      inside = !inside
      if (!inside && index(block, text)) { found++; printf "%s", block }
      block = ""
      next
    }
    inside { block = block $0 "\n" }
    END { exit found != 1 }
  ' "$1" || {
    echo "$1 does not have exactly one block with: $3" >&2
    return 1
  }
}

# readme_run TEXT: runs that block in a shell.
readme_run() {
  local block
  block=$(readme "$1") && bash -euc "$block"
}

# page_run NAME TEXT: runs that block in a shell.
page_run() {
  local block
  block=$(page "$1" "$2") && bash -euc "$block"
}

# ---- users

peer=(python3 relay-it/src/test/systemd/peer.py)

serves() { "${peer[@]}" user 127.0.0.1 "${1:-4000}"; }

# session NAME SECONDS: starts a session that exchanges lines for this time, in the background.
session() {
  rm -f "/run/session-$1"
  "${peer[@]}" talk 127.0.0.1 4000 "$2" > "/run/session-$1" &
  within 30 test -s "/run/session-$1"
}

# ended NAME HOW: the session ended like this; waits up to 10 s.
ended() {
  within 10 grep -q lines= "/run/session-$1" && matches "^$2 " "$(tail -n 1 "/run/session-$1")"
}
