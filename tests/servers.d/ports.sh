# shellcheck shell=bash
# Six ports per instance, the same at every run, below the range the kernel hands out to outgoing connections.

use_ports_from() {
  RABBITMQ_PORT=$1
  MANAGEMENT_PORT=$(($1 + 1))
  DISTRIBUTION_PORT=$(($1 + 2))
  EPMD_PORT=$(($1 + 3))
  POSTGRESQL_PORT=$(($1 + 4))
  AMQPS_PORT=$(($1 + 5))
}

load_ports() {
  [[ -s $STATE/ports ]] || return 1
  use_ports_from "$(<"$STATE/ports")"
}

require_ports() {
  load_ports || fail "$NAME ($GENERATION) was never started here: run \`tests/servers up\` first"
}

# Somebody listens on the port, on any address.
occupied() {
  grep -qsE "$(printf ':%04X 0+:0000 0A ' "$1")" /proc/net/tcp /proc/net/tcp6
}

# The first port that SERVER needs and somebody else has.
taken_port() {
  local port wanted=("$POSTGRESQL_PORT")
  if [[ $1 == rabbitmq ]]; then
    wanted=("$RABBITMQ_PORT" "$MANAGEMENT_PORT" "$DISTRIBUTION_PORT" "$AMQPS_PORT")
    runs epmd || wanted+=("$EPMD_PORT")
  fi
  for port in "${wanted[@]}"; do
    if occupied "$port"; then
      echo "$port"
      return
    fi
  done
  return 1
}

all_ports_free() {
  ! taken_port rabbitmq >/dev/null && ! taken_port postgresql >/dev/null
}

# Ports change only while nothing of this instance runs: its clients know the address.
settle_ports() {
  if load_ports; then
    if runs rabbitmq || runs postgresql || runs epmd || all_ports_free; then return; fi
    say "port $(taken_port rabbitmq || taken_port postgresql) is in use by somebody else; moving to other ports"
  fi
  local checksum attempt
  checksum=$(cksum <<<"$CHECKOUT $GENERATION $NAME")
  checksum=${checksum%% *}
  for ((attempt = 0; attempt < 100; attempt++)); do
    use_ports_from $((20000 + (checksum + attempt * 37) % 1200 * 10))
    if all_ports_free; then
      mkdir -p "$STATE"
      echo "$RABBITMQ_PORT" >"$STATE/ports"
      return
    fi
  done
  fail "no six free ports between 20000 and 32000"
}
