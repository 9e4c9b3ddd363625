# shellcheck shell=bash
# Starting, watching and signalling processes, and only those that we started.

# What /proc/PID/stat says after the command name, which may hold spaces and brackets itself:
# [0] state, [1] parent, [19] start time.
read_stat() {
  local line
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  read -ra STAT <<<"${line##*) }"
}

# A pid alone may long belong to somebody else; pid and start time name one process. A zombie is gone for our purposes.
runs() {
  local pid started
  { read -r pid started <"$STATE/$1.pid"; } 2>/dev/null || return 1
  read_stat "$pid" && [[ ${STAT[19]} == "$started" && ${STAT[0]} != Z ]] || return 1
  PID=$pid
}

paused() { runs "$1" && [[ ${STAT[0]} == T ]]; }

state_of() {
  if paused "$1"; then
    echo "paused on $(address "$1"), pid $PID"
  elif runs "$1"; then
    echo "running on $(address "$1"), pid $PID"
  else
    echo stopped
  fi
}

# Starts a command in a session of its own, so that it outlives the terminal and the make it was started from.
launch() {
  local name=$1
  shift
  (
    close_descriptors
    cd /
    exec setsid "$@" </dev/null >>"$STATE/$name.log" 2>&1
  ) &
  PID=$!
  read_stat "$PID" || fail "$name ended at once: see $STATE/$name.log"
  echo "$PID ${STAT[19]}" >"$STATE/$name.pid"
}

address() {
  case $1 in
    rabbitmq) echo "127.0.0.1:$RABBITMQ_PORT" ;;
    postgresql) echo "127.0.0.1:$POSTGRESQL_PORT" ;;
  esac
}

# The lock, or a pipe of the caller's, must not stay open for as long as a server lives: somebody waits for its end.
# (255 is bash's own, and closes itself.)
close_descriptors() {
  local fd
  for fd in /proc/self/fd/*; do
    fd=${fd##*/}
    if ((fd > 2 && fd != 255)); then exec {fd}>&-; fi
  done
}

begin_start() {
  local server=$1 port
  if paused "$server"; then resume_server "$server"; fi
  if runs "$server"; then return; fi
  if port=$(taken_port "$server"); then
    fail "$(title "$server") cannot start: somebody else listens on 127.0.0.1:$port. \`tests/servers down\`, then \`up\`, moves to other ports"
  fi
  : >"$STATE/$server.log"
  tls_prepare
  "${server}_prepare"
  say "$(title "$server") $("${server}_version") starting on $(address "$server")"
  "${server}_launch"
}

await_ready() {
  local server=$1 since=$SECONDS said=0
  until "${server}_answers"; do
    runs "$server" || fail_with_log "$server" "ended while starting"
    ((SECONDS - since < 120)) || fail_with_log "$server" "does not answer after $((SECONDS - since)) s"
    if ((SECONDS - since >= said + 10)); then
      said=$((SECONDS - since))
      say "$(title "$server") still starting after $said s"
    fi
    sleep 0.1
  done
  say "$(title "$server") ready on $(address "$server")$(took $((SECONDS - since)))"
}

took() {
  if (($1 > 0)); then echo " after $1 s"; fi
}

fail_with_log() {
  say "$(title "$1") $2. The end of $STATE/$1.log:"
  tail -n 30 "$STATE/$1.log" | cut -c 1-300 >&2
  exit 1
}

# The process and all that descend from it, itself last.
tree() {
  local stat pid queue=("$1") found=()
  local -A children=()
  for stat in /proc/[0-9]*; do
    pid=${stat#/proc/}
    if read_stat "$pid"; then children[${STAT[1]}]+=" $pid"; fi
  done
  while ((${#queue[@]})); do
    pid=${queue[0]}
    read -ra queue <<<"${queue[*]:1} ${children[$pid]:-}"
    found=("$pid" "${found[@]}")
  done
  echo "${found[*]}"
}

# Stops the server's first process before listing the others: while it ran, it could start more.
signal_tree() {
  local signal=$1 pid=$2
  kill -STOP "$pid"
  # shellcheck disable=SC2046 # a list of numbers
  kill -"$signal" $(tree "$pid") 2>/dev/null || true
}

await_end() {
  local name=$1 limit=$2 since=$SECONDS
  while runs "$name"; do
    ((SECONDS - since < limit)) || return 1
    sleep 0.05
  done
  rm -f "$STATE/$name.pid"
}

stop_server() {
  local server=$1
  if ! runs "$server"; then return; fi
  if paused "$server"; then resume_server "$server"; fi
  runs "$server" && kill -"$("${server}_stop_signal")" "$PID"
  if ! await_end "$server" 60; then
    say "$(title "$server") did not stop within 60 s"
    kill_server "$server"
  fi
  say "$(title "$server") stopped"
}

kill_server() {
  local pid members
  if ! runs "$1"; then return; fi
  pid=$PID
  kill -STOP "$pid"
  members=$(tree "$pid")
  # shellcheck disable=SC2086 # a list of numbers
  kill -KILL $members 2>/dev/null || true
  await_end "$1" 10 || fail "$(title "$1") survives SIGKILL (pid $pid)"
  await_all_gone "$members"
  "${1}_killed"
  say "$(title "$1") killed"
}

# A restart right after a kill must not meet the ports, locks or shared memory of processes that are still going down.
await_all_gone() {
  local pid
  for pid in $1; do
    while read_stat "$pid" && [[ ${STAT[0]} != Z ]]; do sleep 0.02; done
  done
}

pause_server() {
  runs "$1" || fail "$(title "$1") is not running"
  signal_tree STOP "$PID"
  say "$(title "$1") paused"
}

resume_server() {
  runs "$1" || fail "$(title "$1") is not running"
  # shellcheck disable=SC2046 # a list of numbers
  kill -CONT $(tree "$PID")
  say "$(title "$1") resumed"
}
