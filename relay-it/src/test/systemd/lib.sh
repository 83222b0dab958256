# What checks.sh is written in. Sourced; the directory it is called in is the project's root.
# shellcheck shell=bash

passed=0
failed=0
cursor=

group() { printf '\n%s\n' "$1"; }

# check NAME COMMAND...: one line; what the command printed only if it failed.
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

# ---- conditions: true, or false with what was found instead

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

# within SECONDS CONDITION...: true before the time is over.
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

# takes LOW HIGH COMMAND...: succeeds after this many seconds.
takes() {
  local from=$SECONDS
  "${@:3}" && between "$1" "$2" $((SECONDS - from))
}

# ---- systemd

property() { systemctl show --value --property="$2" "$1"; }

is() { equal "$3" "$(property "$1" "$2")"; }

pid() { property "$1" MainPID; }

cmdline() { tr '\0' ' ' < "/proc/$(pid "$1")/cmdline"; }

status_says() { matches "$2" "$(systemctl status --no-pager --full --lines=20 "$1")"; }

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

# Forgets what was said before.
mark() {
  journalctl --sync
  cursor=$(journalctl --quiet --lines=0 --show-cursor | sed 's/^-- cursor: //')
}

said() { matches "$2" "$(entries --after-cursor="$cursor" --unit="$1")"; }

silent() { not said "$1" "$2"; }

# ---- README.md

# readme TEXT: the code block with this text in the section about systemd; there must be one.
readme() {
  awk -v text="$1" '
    /^## / { here = $0 == "## Run it with systemd" }
    here && /^```/ {
      inside = !inside
      if (!inside && index(block, text)) { found++; printf "%s", block }
      block = ""
      next
    }
    inside { block = block $0 "\n" }
    END { exit found != 1 }
  ' README.md || {
    echo "README.md has not one block with: $1" >&2
    return 1
  }
}

# readme_run TEXT: does what the block says, as an operator's shell would.
readme_run() {
  local block
  block=$(readme "$1") && bash -euc "$block"
}

# ---- users

peer=(python3 relay-it/src/test/systemd/peer.py)

serves() { "${peer[@]}" user 127.0.0.1 "${1:-4000}"; }

# session NAME SECONDS: begins one that sends and receives for so long, and leaves it alone.
session() {
  rm -f "/run/session-$1"
  "${peer[@]}" talk 127.0.0.1 4000 "$2" > "/run/session-$1" &
  within 30 test -s "/run/session-$1"
}

# ended NAME HOW: how that session ended, or will soon.
ended() {
  within 10 grep -q lines= "/run/session-$1" && matches "^$2 " "$(tail -n 1 "/run/session-$1")"
}
