# shellcheck shell=bash
# RabbitMQ: a node of our own, with its own epmd, cookie and folders. Debian's configuration in /etc/rabbitmq is not read.

RABBITMQ_BIN=/usr/lib/rabbitmq/bin

rabbitmq_installed() { [[ -x $ROOTFS$RABBITMQ_BIN/rabbitmq-server ]]; }

rabbitmq_version() {
  local home
  home=$(readlink -f "$ROOTFS$RABBITMQ_BIN/rabbitmq-server")
  [[ $home =~ rabbitmq_server-([0-9.]+) ]] && echo "${BASH_REMATCH[1]}"
}

rabbitmq_stop_signal() { echo TERM; }

rabbitmq_prepare() {
  local home=$DATA/rabbitmq
  mkdir -p "$home"/{home,conf.d,mnesia,log}
  chmod 700 "$home"
  if [[ ! -e $home/home/.erlang.cookie ]]; then
    (umask 077 && od -An -tx1 -N20 /dev/urandom | tr -d ' \n' >"$home/home/.erlang.cookie")
    chmod 400 "$home/home/.erlang.cookie"
  fi
  echo '[rabbitmq_management, rabbitmq_auth_mechanism_ssl].' >"$home/enabled_plugins"
  # Message rates per connection and exchange are the expensive part of the statistics; queue lengths and totals remain.
  cat >"$home/rabbitmq.conf" <<TEXT
listeners.tcp.local = 127.0.0.1:$RABBITMQ_PORT
management.tcp.ip = 127.0.0.1
management.tcp.port = $MANAGEMENT_PORT
management.rates_mode = basic
disk_free_limit.absolute = 50MB
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
listeners.ssl.local = 127.0.0.1:$AMQPS_PORT
ssl_cert_login_from = common_name
ssl_options.cacertfile = $INSIDE/tls/ca.pem
ssl_options.certfile = $INSIDE/tls/server.pem
ssl_options.keyfile = $INSIDE/tls/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
TEXT
  # A node that is killed while it moves a message from a retry queue back moves it again after this time: three minutes
  # by default, longer than a test should wait.
  echo '[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 10000}]}].' >"$home/advanced.config"
  epmd_start
}

rabbitmq_launch() {
  # With RUNNING_UNDER_SYSTEMD the start script becomes the node, instead of staying its parent: the pid we know is the node's.
  # The variables about busy waiting keep an idle node off the processors.
  launch rabbitmq "${RABBITMQ_ENTER[@]}" \
    RUNNING_UNDER_SYSTEMD=true \
    RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD=none \
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
    "$RABBITMQ_BIN/rabbitmq-server"
}

# A clean environment: RABBITMQ_* and ERL_* variables of the caller would reach the node.
rabbitmq_environment() {
  local home=$INSIDE/rabbitmq
  RABBITMQ_ENTER=("${ENTER[@]}" env -i
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    LANG=C.UTF-8
    HOME="$home/home"
    ERL_EPMD_ADDRESS=127.0.0.1
    ERL_EPMD_PORT="$EPMD_PORT"
    RABBITMQ_NODENAME="$NAME@localhost"
    RABBITMQ_DIST_PORT="$DISTRIBUTION_PORT"
    RABBITMQ_CONF_ENV_FILE="$home/rabbitmq-env.conf"
    RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf"
    RABBITMQ_CONFIG_FILES="$home/conf.d"
    RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config"
    RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
    RABBITMQ_MNESIA_BASE="$home/mnesia"
    RABBITMQ_LOG_BASE="$home/log"
    RABBITMQ_LOGS=-)
}

rabbitmq_killed() { :; }

epmd_start() {
  rabbitmq_environment
  if runs epmd; then return; fi
  launch epmd "${RABBITMQ_ENTER[@]}" epmd -port "$EPMD_PORT" -address 127.0.0.1
}

stop_epmd() {
  if runs epmd; then
    kill -TERM "$PID"
    await_end epmd 10
  fi
}

rabbitmq_answers() { amqp_answers && management_answers; }

# The protocol header, to which a broker that takes connections replies with a method frame (its first byte is 1).
amqp_answers() (
  exec 3<>"/dev/tcp/127.0.0.1/$RABBITMQ_PORT" || exit 1
  printf 'AMQP\0\0\11\1' >&3
  IFS= read -r -N 1 -t 5 -u 3 byte && [[ $byte == $'\1' ]]
) 2>/dev/null

management_answers() (
  exec 3<>"/dev/tcp/127.0.0.1/$MANAGEMENT_PORT" || exit 1
  printf 'GET /api/whoami HTTP/1.0\r\nAuthorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n\r\n' >&3
  IFS= read -r -t 5 -u 3 line && [[ $line == HTTP/1.?\ 200* ]]
) 2>/dev/null

rabbitmqctl() {
  rabbitmq_environment
  exec "${RABBITMQ_ENTER[@]}" "$RABBITMQ_BIN/rabbitmqctl" "$@"
}
