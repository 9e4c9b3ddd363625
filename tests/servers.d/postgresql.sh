# shellcheck shell=bash
# PostgreSQL: a cluster of our own. It refuses to run as root, so root hands it to the package's `postgres` user.

# The newest installed one, as the server sees it.
postgresql_bin() {
  local bin
  bin=$(printf '%s\n' "$ROOTFS"/usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)
  [[ -x $bin ]] || return 1
  bin=${bin#"$ROOTFS"}
  echo "${bin%/postgres}"
}

postgresql_installed() { postgresql_bin >/dev/null; }

postgresql_version() { "${ENTER[@]}" "$(postgresql_bin)/postgres" --version | cut -d' ' -f3; }

# "Fast" shutdown: ends the connections instead of waiting for them.
postgresql_stop_signal() { echo INT; }

as_postgres() {
  POSTGRES_ENTER=("${ENTER[@]}")
  if am_root; then POSTGRES_ENTER+=(setpriv --reuid=postgres --regid=postgres --init-groups); fi
  POSTGRES_ENTER+=(env -i PATH=/usr/bin:/bin LANG=C.UTF-8)
}

# The data folder: beside the rest, unless `postgres` may not go there, as in a checkout under /root.
# The other place is remembered, not computed, so that nobody can prepare it for us.
postgresql_home() {
  local home=$DATA/postgresql
  if [[ -s $STATE/postgresql.home ]]; then
    cat "$STATE/postgresql.home"
    return
  fi
  mkdir -p "$DATA"
  if am_root && ! (cd / && "${POSTGRES_ENTER[@]}" test -x "$INSIDE"); then
    home=$(mktemp -d "/var/tmp/$(basename "$CHECKOUT")-$NAME-XXXXXX")
    say "PostgreSQL may not read $DATA; its data goes to $home"
    echo "$home" >"$STATE/postgresql.home"
  fi
  echo "$home"
}

postgresql_wipe() {
  local home
  if [[ ! -s $STATE/postgresql.home ]]; then return; fi
  home=$(<"$STATE/postgresql.home")
  if [[ $home == /var/tmp/* ]]; then rm -rf --one-file-system -- "$home"; fi
}

postgresql_prepare() {
  local home
  as_postgres
  home=$(postgresql_home)
  mkdir -p "$home/socket"
  if am_root; then "${ENTER[@]}" chown postgres: "${home#"$ROOTFS"}" "${home#"$ROOTFS"}/socket"; fi
  POSTGRESQL_DATA=${home#"$ROOTFS"}/data
  if [[ ! -e $home/data/PG_VERSION ]]; then postgresql_create "$home"; fi
  postgresql_settings "${home#"$ROOTFS"}/socket" >"$home/data/postgresql.conf"
  postgresql_logins >"$home/data/pg_hba.conf"
  # It insists on a key of its own.
  cp "$DATA"/tls/{ca.pem,server.pem,server.key} "$home/data/"
  if am_root; then "${ENTER[@]}" chown postgres: "$POSTGRESQL_DATA"/{ca.pem,server.pem,server.key}; fi
  chmod 600 "$home/data/server.key"
}

# Who has to show what.
postgresql_logins() {
  cat <<TEXT
local   all all                              trust
hostssl all +with_certificate 127.0.0.1/32   cert
host    all +with_certificate 127.0.0.1/32   reject
host    all +with_password    127.0.0.1/32   scram-sha-256
host    all all               127.0.0.1/32   trust
TEXT
}

# Created under another name first: a half-made cluster is never taken for a whole one.
postgresql_create() {
  local home=$1
  say "PostgreSQL: creating a cluster"
  rm -rf -- "$home/data.new" "$home/data"
  (cd / && "${POSTGRES_ENTER[@]}" "$(postgresql_bin)/initdb" --pgdata="$POSTGRESQL_DATA.new" --username=postgres --auth=trust \
    --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions >"$STATE/postgresql.log" 2>&1) ||
    fail_with_log postgresql "could not be created (initdb)"
  mv "$home/data.new" "$home/data"
}

# Durability as in production: it is what the tests are about. A socket's path has a limit of 107 bytes; loopback TCP is always there.
postgresql_settings() {
  local socket=$1
  if ((${#socket} > 85)); then socket=; fi
  # Nobody but root may write to the chroot's /dev/shm.
  if [[ $ROOTFS ]]; then echo "dynamic_shared_memory_type = mmap"; fi
  cat <<TEXT
listen_addresses = '127.0.0.1'
port = $POSTGRESQL_PORT
unix_socket_directories = '$socket'
max_connections = 300
shared_buffers = 64MB
max_wal_size = 512MB
fsync = on
synchronous_commit = on
ssl = on
ssl_ca_file = 'ca.pem'
ssl_cert_file = 'server.pem'
ssl_key_file = 'server.key'
log_timezone = 'UTC'
timezone = 'UTC'
TEXT
}

# PostgreSQL takes a process that was killed but not yet reaped for a running server. All of its processes are known to be gone here.
postgresql_killed() {
  local home
  as_postgres
  home=$(postgresql_home)
  rm -f -- "$home/data/postmaster.pid" "$home"/socket/.s.PGSQL.*.lock
}

postgresql_launch() {
  launch postgresql "${POSTGRES_ENTER[@]}" "$(postgresql_bin)/postgres" -D "$POSTGRESQL_DATA"
}

postgresql_answers() {
  "${ENTER[@]}" "$(postgresql_bin)/pg_isready" --quiet --host=127.0.0.1 --port="$POSTGRESQL_PORT" --username=postgres --timeout=5
}

# In the chroot, files named by -f are the chroot's: feed them through standard input.
psql() {
  exec "${ENTER[@]}" "$(postgresql_bin)/psql" "$(own_database_url)" "$@"
}
