# shellcheck shell=bash
# How the servers are had: installed packages, else packages we may install, else Docker, else the caller's help.

DEBIAN_MIRROR=${SERVERS_DEBIAN_MIRROR:-http://deb.debian.org/debian}

choose_how() {
  if uses_docker || everything_installed; then return; fi
  if am_root && command -v apt-get >/dev/null; then
    mkdir -p "$CHECKOUT/target/servers"
    one_at_a_time "install_$GENERATION"
    everything_installed || fail "the packages were installed, but the servers are not where Debian puts them"
  elif docker_may_help; then
    mkdir -p "$STATE"
    touch "$STATE/docker"
  else
    fail "$(what_to_install)"
  fi
}

everything_installed() { rabbitmq_installed && postgresql_installed && openssl_installed; }

what_to_install() {
  if [[ $GENERATION == trixie ]]; then
    echo "SERVERS_GENERATION=trixie needs root (it runs in a chroot), or Docker with compose"
    return
  fi
  local missing=()
  rabbitmq_installed || missing+=(rabbitmq-server)
  postgresql_installed || missing+=(postgresql)
  openssl_installed || missing+=(openssl)
  echo "missing: ${missing[*]}. Install with \`sudo apt-get install ${missing[*]}\`, or start Docker, or set AMQP_URL and DATABASE_URL"
}

# Instances of one checkout share what is installed.
one_at_a_time() (
  flock 8
  "$@"
) 8>"$CHECKOUT/target/servers/install.lock"

install_bookworm() {
  local packages=()
  rabbitmq_installed || packages+=(rabbitmq-server)
  postgresql_installed || packages+=(postgresql)
  openssl_installed || packages+=(openssl)
  if ((${#packages[@]})); then without_starting_services apt_install "${packages[@]}"; fi
}

apt_install() {
  say "installing $* (about a minute)"
  apt-get update -qq >&2 || say "apt-get update failed; trying with the lists that are here"
  # The last option: somebody else may be installing; the others: no questions, no pseudo-terminal, old configuration wins.
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300 "$@" 8>&- >&2
}

# Debian starts what it installs, unless /usr/sbin/policy-rc.d forbids it. Ours forbids it for the time of the installation;
# one that was there before is set aside and put back, whichever way this ends.
without_starting_services() (
  policy=/usr/sbin/policy-rc.d
  aside=$(mktemp -d)
  # shellcheck disable=SC2317 # called by the trap
  put_back() {
    rm -f "$policy"
    if [[ -e $aside/policy-rc.d ]]; then mv "$aside/policy-rc.d" "$policy"; fi
    rmdir "$aside"
  }
  trap put_back EXIT
  trap 'exit 130' INT TERM HUP
  if [[ -e $policy ]]; then mv "$policy" "$aside/"; fi
  forbid_services "$policy"
  "$@"
)

forbid_services() {
  printf '#!/bin/sh\nexit 101\n' >"$1"
  chmod 755 "$1"
}

# A small Debian 13 in a folder, built under another name: half of one is never taken for a whole.
install_trixie() {
  if everything_installed; then return; fi
  openssl_installed || apt_install openssl
  if [[ -e $ROOTFS ]]; then return; fi
  command -v debootstrap >/dev/null || without_starting_services apt_install debootstrap
  local new=$ROOTFS.new since=$SECONDS
  say "building a Debian 13 with RabbitMQ 4.0 and PostgreSQL 17 in ${ROOTFS#"$CHECKOUT/"} (once; one to three minutes)"
  rm -rf --one-file-system -- "$new"
  mkdir -p "$new"
  debootstrap --foreign --variant=minbase --include=rabbitmq-server,postgresql trixie "$new" "$DEBIAN_MIRROR" 2>&1 |
    progress "$GENERATION_DIR/debootstrap.log" || fail_debootstrap
  # Between the stages, so that nothing is started while packages are configured.
  forbid_services "$new/usr/sbin/policy-rc.d"
  echo '127.0.0.1 localhost' >"$new/etc/hosts"
  chroot "$new" /debootstrap/debootstrap --second-stage 2>&1 |
    progress "$GENERATION_DIR/debootstrap.log" || fail_debootstrap
  rm -rf -- "$new"/var/cache/apt/archives/*.deb
  mv "$new" "$ROOTFS"
  say "Debian 13 built$(took $((SECONDS - since)))"
}

fail_debootstrap() {
  tail -n 20 "$GENERATION_DIR/debootstrap.log" >&2
  fail "debootstrap failed; its log: $GENERATION_DIR/debootstrap.log"
}

# Some hundred lines become a dozen.
progress() {
  local line count=0
  while IFS= read -r line; do
    echo "$line" >>"$1"
    if ((++count % 40 == 0)); then say "  step $count: ${line#I: }"; fi
  done
}
