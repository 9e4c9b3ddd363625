# shellcheck shell=bash
# Where things are, and how we speak to the caller.

GENERATION_DIR=$CHECKOUT/target/servers/$GENERATION
# Pid files, ports and logs of this instance.
STATE=$GENERATION_DIR/$NAME

# The servers' data: DATA as we see it, INSIDE as the server sees it. ENTER goes before every command of this generation.
if [[ $GENERATION == trixie ]]; then
  ROOTFS=$GENERATION_DIR/root
  DATA=$ROOTFS/srv/$NAME
  INSIDE=/srv/$NAME
  # RabbitMQ 4.0 does not start without /proc. Mounted in a namespace of the server's own, it goes when the server goes.
  ENTER=(unshare --mount --root="$ROOTFS" --mount-proc)
else
  ROOTFS=
  DATA=$STATE
  INSIDE=$STATE
  ENTER=()
fi

say() { echo "servers: $*" >&2; }

fail() {
  say "$*"
  exit 1
}

usage_error() {
  say "$*"
  usage >&2
  exit 2
}

check_settings() {
  [[ $NAME =~ ^[a-z0-9][a-z0-9_-]*$ && $NAME != root ]] || usage_error "SERVERS_NAME=$NAME: use a-z, 0-9, _ and - (and not \"root\")"
  [[ $GENERATION == bookworm || $GENERATION == trixie ]] || usage_error "SERVERS_GENERATION=$GENERATION: bookworm or trixie"
}

title() {
  case $1 in
    rabbitmq) echo RabbitMQ ;;
    postgresql) echo PostgreSQL ;;
  esac
}

am_root() { [[ $EUID == 0 ]]; }

# Two runs on one instance take turns.
take_lock() {
  mkdir -p "$STATE"
  exec 9>"$STATE.lock"
  if ! flock --nonblock 9; then
    say "$NAME ($GENERATION): waiting for another run of this script"
    flock 9
  fi
}

own_amqp_url() { echo "amqp://guest:guest@127.0.0.1:$RABBITMQ_PORT/%2f"; }

# Without TLS, which PostgreSQL offers on the same port with a certificate that nobody trusts by itself.
own_database_url() { echo "postgres://postgres@127.0.0.1:$POSTGRESQL_PORT/postgres?sslmode=disable"; }

# Whether the caller brought servers. SERVERS_OWN tells addresses that `env` printed from addresses the caller chose,
# so that a test which runs under the one may still start a second instance.
external() {
  [[ ${AMQP_URL:-} && ${DATABASE_URL:-} && ${SERVERS_OWN:-} != "$AMQP_URL,$DATABASE_URL" ]]
}

refuse_if_external() {
  if external; then fail "AMQP_URL and DATABASE_URL come from the environment; these servers are not ours to touch"; fi
}
