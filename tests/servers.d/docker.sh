# shellcheck shell=bash
# The same commands by Docker Compose, for machines where nothing may be installed.

uses_docker() { [[ -e $STATE/docker ]]; }

docker_may_help() {
  docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

compose() {
  local checksum
  checksum=$(cksum <<<"$CHECKOUT $GENERATION $NAME")
  if [[ $GENERATION == trixie ]]; then
    export RABBITMQ_IMAGE=rabbitmq:4.0-management POSTGRESQL_IMAGE=postgres:17
  fi
  export RABBITMQ_PORT MANAGEMENT_PORT POSTGRESQL_PORT
  docker compose --project-name "servers-$NAME-${checksum%% *}" --file "$HERE/servers.d/compose.yaml" "$@" 9>&-
}

docker_up() {
  # Running containers listen on our ports themselves.
  load_ports || settle_ports
  say "starting RabbitMQ on 127.0.0.1:$RABBITMQ_PORT and PostgreSQL on 127.0.0.1:$POSTGRESQL_PORT with Docker"
  compose up --detach --wait >&2
}

docker_down() { compose stop >&2; }
docker_wipe() { compose down --volumes >&2; }
docker_start() { compose up --detach --wait "$1" >&2; }
docker_stop() { compose stop "$1" >&2; }
docker_kill() { compose kill --signal SIGKILL "$1" >&2; }
docker_pause() { compose pause "$1" >&2; }
docker_resume() { compose unpause "$1" >&2; }
docker_rabbitmqctl() { compose exec -T rabbitmq rabbitmqctl "$@"; }
docker_psql() { compose exec -T postgresql psql --username=postgres "$@"; }
