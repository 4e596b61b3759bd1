#!/bin/sh
# Installs, upgrades, rolls back and removes weir: curl -fsSL URL/install.sh | sh
#
# Plain POSIX sh, for dash and the ash of busybox. `sh install.sh --help` tells the options, docs/install.md the rest.
# Everything is a function and the last line calls one, so that a download that breaks off does nothing.
set -eu

# Filled in when weir is released.
release_version=''
release_url=''
release_key=''

usage() {
  cat <<'END'
Usage: install.sh [OPTION]...

Installs weir, or upgrades it: the database is kept, a copy is made before, and a version that does not get ready is
taken back together with its data.

  --version VERSION      another version than the one this script was released with
  --base-url URL         where releases are: URL/VERSION/weir-VERSION-TARGET.tar.gz
  --file FILE            a tarball on this machine, with SHA256SUMS and SHA256SUMS.sig beside it
  --public-key KEY       the key of the signatures, as one line of base64; the one this script was released with
  --insecure-no-signature
                         install what only its checksums vouch for, as where there is no openssl
  --target TARGET        linux-x64, linux-arm64, linux-x64-musl or linux-arm64-musl, in the place of what is found
  --prefix DIR           where programs go; /usr/local
  --root DIR             install into this folder as if it were /, to make images
  --service KIND         systemd, openrc or none; what this machine has
  --no-service           the same as --service none
  --serial               let the service of systemd use serial lines (Modbus RTU)
  --limits               give the service of systemd one processor and 512 MB at most
  --health-timeout SECONDS
                         how long a new version may take to get ready; 60
  --no-health-check      do not start the new version to see whether it gets ready
  --rollback             go back to the version, and the data, before the last upgrade
  --uninstall            remove weir; configuration, data and the user stay
  --purge                remove weir and all of these

Options can also be given as WEIR_INSTALL_VERSION, _BASE_URL, _FILE, _PUBLIC_KEY, _TARGET, _PREFIX, _ROOT, _SERVICE
and _HEALTH_TIMEOUT in the environment.
END
}

say() { printf '%s\n' "$*"; }
warn() { printf 'weir: %s\n' "$*" >&2; }
fail() {
  warn "$*"
  exit 1
}
has() { command -v "$1" >/dev/null 2>&1; }

read_options() {
  action=install
  version=${WEIR_INSTALL_VERSION:-$release_version}
  base_url=${WEIR_INSTALL_BASE_URL:-$release_url}
  file=${WEIR_INSTALL_FILE:-}
  public_key=${WEIR_INSTALL_PUBLIC_KEY:-$release_key}
  target=${WEIR_INSTALL_TARGET:-}
  prefix=${WEIR_INSTALL_PREFIX:-/usr/local}
  root=${WEIR_INSTALL_ROOT:-}
  service=${WEIR_INSTALL_SERVICE:-auto}
  health_timeout=${WEIR_INSTALL_HEALTH_TIMEOUT:-60}
  check_signature=yes check_health=yes serial=no limits=no purge=no

  while [ $# -gt 0 ]; do
    option=$1
    value=
    case $option in
    --*=*)
      value=${option#*=}
      option=${option%%=*}
      shift
      ;;
    --version | --base-url | --file | --public-key | --target | --prefix | --root | --service | --health-timeout)
      [ $# -ge 2 ] || usage_error "$option needs a value"
      value=$2
      shift 2
      ;;
    *) shift ;;
    esac
    case $option in
    --version) version=$value ;;
    --base-url) base_url=$value ;;
    --file) file=$value ;;
    --public-key) public_key=$value ;;
    --insecure-no-signature) check_signature=no ;;
    --target) target=$value ;;
    --prefix) prefix=$value ;;
    --root) root=$value ;;
    --service) service=$value ;;
    --no-service) service=none ;;
    --serial) serial=yes ;;
    --limits) limits=yes ;;
    --health-timeout) health_timeout=$value ;;
    --no-health-check) check_health=no ;;
    --rollback) action=rollback ;;
    --uninstall) action=uninstall ;;
    --purge) action=uninstall purge=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) usage_error "unknown option $option" ;;
    esac
  done

  root=${root%/}
  base_url=${base_url%/}
  case $prefix in /*) ;; *) usage_error "--prefix must begin with /: $prefix" ;; esac
  case $root in '' | /*) ;; *) usage_error "--root must begin with /: $root" ;; esac
  case $version in *[!A-Za-z0-9.+~-]*) usage_error "no version: $version" ;; esac
  case $health_timeout in '' | *[!0-9]*) usage_error "--health-timeout needs seconds: $health_timeout" ;; esac
  case $target in
  '' | linux-x64 | linux-arm64 | linux-x64-musl | linux-arm64-musl) ;;
  *) usage_error "no target: $target" ;;
  esac
}

usage_error() {
  warn "$*"
  warn "see install.sh --help"
  exit 2
}

set_paths() {
  binary=$root$prefix/bin/weir
  lib=$root$prefix/lib/weir
  share=$root$prefix/share
  config=$root/etc/weir
  data=$root/var/lib/weir
  unit=$root/etc/systemd/system/weir.service
  init=$root/etc/init.d/weir
  bash_completion=$share/bash-completion/completions/weir
  zsh_completion=$share/zsh/site-functions/_weir
  fish_completion=$share/fish/vendor_completions.d/weir.fish
  manual=$share/man/man1/weir.1
}

# What runs services here. Below --root nothing runs; there the unit is only put in its place.
choose_service() {
  case $service in
  auto)
    if [ -n "$root" ]; then
      service=none
      if [ -e "$root/lib/systemd/systemd" ]; then service=systemd; elif [ -e "$root/sbin/openrc-run" ]; then service=openrc; fi
    elif [ -d /run/systemd/system ]; then service=systemd
    elif has rc-service && has rc-update; then service=openrc
    else service=none; fi
    ;;
  systemd | openrc | none) ;;
  *) usage_error "--service must be systemd, openrc or none: $service" ;;
  esac
}

# True where the service manager of this machine is the one to speak to.
is_live() { [ -z "$root" ] && [ "$service" != none ]; }

require_rights() {
  if [ -z "$root" ] && [ "$(id -u)" != 0 ]; then
    fail "installing needs root: run it with sudo, as in: curl -fsSL URL/install.sh | sudo sh"
  fi
}

# --- which release

# Prints nothing but sets `target`; ends the script where weir does not run, with the reason.
detect_target() {
  [ -z "$target" ] || return 0
  os=$(uname -s)
  machine=$(uname -m)
  [ "$os" = Linux ] || fail "weir runs on Linux; this is $os"
  case $machine in
  x86_64 | amd64) processor=x64 gnu=lib64/ld-linux-x86-64.so.2 musl=lib/ld-musl-x86_64.so.1 ;;
  aarch64 | arm64) processor=arm64 gnu=lib/ld-linux-aarch64.so.1 musl=lib/ld-musl-aarch64.so.1 ;;
  arm*) refuse_arm "$machine" ;;
  i?86) fail "weir needs a 64-bit system; this is 32-bit x86 ($machine)" ;;
  *) fail "weir runs on x86-64 and 64-bit ARM; this is $machine" ;;
  esac
  # Where both are, as on a Debian with the package musl, the system's own programs use glibc.
  if [ -e "$root/$gnu" ] && [ ! -e "$root/etc/alpine-release" ]; then target=linux-$processor
  elif [ -e "$root/$musl" ]; then target=linux-$processor-musl
  elif [ "$processor" = arm64 ] && [ -e "$root/lib/ld-linux-armhf.so.3" ]; then
    refuse_arm "$machine with a 32-bit system"
  else
    fail "cannot tell the C library: found neither /$gnu (glibc) nor /$musl (musl); give --target"
  fi
}

refuse_arm() {
  fail "weir does not run on 32-bit ARM ($1): it needs a 64-bit system (aarch64), such as Raspberry Pi OS (64-bit)"
}

# --- getting it

# fetch URL FILE
fetch() {
  if has curl; then
    curl -fsSL --retry 3 --connect-timeout 20 -o "$2" "$1"
  elif has wget; then
    wget -q -O "$2" "$1"
  else
    fail "downloading needs curl or wget"
  fi
}

# Puts the tarball, the checksums and their signature into $stage.
get_release() {
  if [ -n "$file" ]; then
    [ -f "$file" ] || fail "cannot read $file"
    name=${file##*/}
    folder=.
    case $file in */*) folder=${file%/*} ;; esac
    for each in "$name" SHA256SUMS SHA256SUMS.sig; do
      if [ "$each" = SHA256SUMS.sig ] && [ "$check_signature" = no ]; then continue; fi
      cp "${folder:-/}/$each" "$stage/$each" || fail "cannot read $folder/$each, which must stand beside $name"
    done
    return
  fi
  [ -n "$version" ] || usage_error "which version? give --version"
  [ -n "$base_url" ] || usage_error "where from? give --base-url"
  name=weir-$version-$target.tar.gz
  for each in SHA256SUMS SHA256SUMS.sig "$name"; do
    if [ "$each" = SHA256SUMS.sig ] && [ "$check_signature" = no ]; then continue; fi
    say "getting $base_url/$version/$each"
    fetch "$base_url/$version/$each" "$stage/$each" || fail "cannot get $base_url/$version/$each"
  done
}

# The signature vouches for the checksums, and they for the tarball.
verify_release() {
  if [ "$check_signature" = yes ]; then
    verify_signature
  else
    warn "the signature is not checked (--insecure-no-signature)"
  fi
  expected=$(awk -v name="$name" '$2 == name { print $1 }' "$stage/SHA256SUMS")
  [ -n "$expected" ] || fail "SHA256SUMS does not name $name"
  found=$(sha256_of "$stage/$name")
  [ "$found" = "$expected" ] || fail "$name is damaged or not the one that was released: its SHA-256 is $found, not $expected"
  say "checked $name"
}

verify_signature() {
  [ -n "$public_key" ] || fail "which key signs releases? This script was not released with one; give --public-key"
  has openssl || fail "checking the signature needs openssl: install it, or give --insecure-no-signature"
  if ! openssl pkeyutl -help 2>&1 | grep -q -e -rawin; then
    fail "this openssl cannot check ed25519 signatures (needs 1.1.1 or newer): $(openssl version); update it, or give --insecure-no-signature"
  fi
  printf '%s\n' '-----BEGIN PUBLIC KEY-----' "$public_key" '-----END PUBLIC KEY-----' >"$stage/key.pem"
  openssl pkeyutl -verify -pubin -inkey "$stage/key.pem" -rawin -in "$stage/SHA256SUMS" \
    -sigfile "$stage/SHA256SUMS.sig" >/dev/null 2>&1 ||
    fail "the signature of SHA256SUMS is wrong: these files were not released by those who hold the key"
}

sha256_of() {
  if has sha256sum; then sha256sum "$1" | cut -d ' ' -f 1
  elif has openssl; then openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else fail "checking needs sha256sum or openssl"; fi
}

unpack_release() {
  new=$stage/new
  mkdir "$new"
  gzip -dc "$stage/$name" | (cd "$new" && tar xf -) || fail "cannot unpack $name"
  for new in "$new"/weir-*; do break; done
  [ -f "$new/weir" ] || fail "$name holds no weir"
  rm -f "$stage/$name"
  code=0
  described=$("$new/weir" version 2>&1) || code=$?
  if [ "$code" != 0 ]; then
    warn "this machine cannot run $name: it ended with $code"
    [ -z "$described" ] || warn "$described"
    case $code-$target in
    132-linux-x64*) warn "its processor seems to be too old: weir needs AVX2" ;;
    *-musl) warn "weir needs libstdc++ here (apk add libstdc++), and musl 1.2.4 or newer (Alpine 3.18)" ;;
    esac
    exit 1
  fi
  new_version=$(printf '%s\n' "$described" | sed -n '1s/^weir \([^ ]*\).*/\1/p')
}

# --- one at a time, and nothing left behind

begin() {
  mkdir -p "$lib"
  if ! mkdir "$lib/lock" 2>/dev/null; then
    other=$(cat "$lib/lock/pid" 2>/dev/null || :)
    if [ -n "$other" ] && kill -0 "$other" 2>/dev/null; then fail "another install.sh is at work (process $other)"; fi
    rm -rf "$lib/lock"
    mkdir "$lib/lock" || fail "cannot make $lib/lock"
  fi
  printf '%s\n' $$ >"$lib/lock/pid"
  stage=$lib/lock/stage
  mkdir -m 0755 "$stage"
  trap end EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

end() {
  rm -rf "$lib/lock"
  rmdir "$lib" 2>/dev/null || :
}

# place FILE PATH MODE: in one step, so that nobody meets half a file.
place() {
  mkdir -p "${2%/*}"
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
}

# --- user, configuration, files

create_user() {
  if [ -n "$root" ]; then
    say "below --root no user is created: weir:weir must exist there"
    return
  fi
  if ! grep -q '^weir:' /etc/group; then
    if has groupadd; then groupadd --system weir
    elif has addgroup; then addgroup -S weir
    else fail "creating the group weir needs groupadd or addgroup; make group and user weir yourself"; fi
  fi
  if ! id weir >/dev/null 2>&1; then
    nologin=/sbin/nologin
    if [ -x /usr/sbin/nologin ]; then nologin=/usr/sbin/nologin; fi
    if has useradd; then
      useradd --system --gid weir --home-dir /var/lib/weir --no-create-home --shell "$nologin" weir
    elif has adduser; then
      adduser -S -D -H -h /var/lib/weir -s "$nologin" -G weir weir
    else
      fail "creating the user weir needs useradd or adduser; make it yourself"
    fi
  fi
}

own() { if [ -z "$root" ]; then chown "$@"; fi; }

# The configuration of whoever runs the machine is left as it is.
place_config() {
  mkdir -p "$config" "$data"
  if [ ! -e "$config/weir.yaml" ]; then place "$lib/share/weir.yaml" "$config/weir.yaml" 0640; fi
  own root:weir "$config" "$config/weir.yaml"
  chmod 0750 "$config" "$data"
  own weir:weir "$data"
}

# Keeps what is there for the way back.
keep_previous() {
  rm -rf "$lib/previous" "$lib/previous.new"
  mkdir "$lib/previous.new"
  ln "$binary" "$lib/previous.new/weir" 2>/dev/null || cp -p "$binary" "$lib/previous.new/weir"
  cp -R "$lib/share" "$lib/previous.new/share"
  mv "$lib/previous.new" "$lib/previous"
}

# From the folder of a release to where everything belongs.
place_release() {
  place "$1/weir" "$binary" 0755
  rm -rf "$lib/share.new" "$lib/share.old"
  mkdir "$lib/share.new"
  (cd "$1" && tar cf - LICENSE install.sh sbom.cdx.json weir.yaml systemd openrc completions man) |
    (cd "$lib/share.new" && tar xof -)
  printf '%s\n' "$new_version" >"$lib/share.new/version"
  if [ -e "$lib/share" ]; then mv "$lib/share" "$lib/share.old"; fi
  mv "$lib/share.new" "$lib/share"
  rm -rf "$lib/share.old"
  place_shared
}

place_shared() {
  place "$lib/share/completions/weir.bash" "$bash_completion" 0644
  place "$lib/share/completions/_weir" "$zsh_completion" 0644
  place "$lib/share/completions/weir.fish" "$fish_completion" 0644
  place "$lib/share/man/weir.1" "$manual" 0644
}

# with_prefix FILE: the file with the path of the program that is installed.
with_prefix() { sed "s#/usr/local/bin/weir#$prefix/bin/weir#" "$1"; }

place_service() {
  case $service in
  systemd)
    with_prefix "$lib/share/systemd/weir.service" >"$lib/lock/unit"
    place "$lib/lock/unit" "$unit" 0644
    if [ -n "$root" ] || [ "$(systemctl --version | sed -n '1s/^systemd \([0-9]*\).*/\1/p')" -ge 254 ]; then
      place "$lib/share/systemd/backoff.conf" "$unit.d/backoff.conf" 0644
    fi
    if [ "$serial" = yes ]; then place "$lib/share/systemd/serial.conf" "$unit.d/serial.conf" 0644; fi
    if [ "$limits" = yes ]; then place "$lib/share/systemd/limits.conf" "$unit.d/limits.conf" 0644; fi
    if is_live; then
      systemctl daemon-reload
      systemctl enable weir.service 2>/dev/null
    elif has systemctl; then
      systemctl --root="$root" enable weir.service 2>/dev/null || :
    fi
    ;;
  openrc)
    with_prefix "$lib/share/openrc/weir" >"$lib/lock/unit"
    place "$lib/lock/unit" "$init" 0755
    if is_live; then rc-update -q add weir default; fi
    ;;
  esac
}

# --- starting, stopping, and whether it is well

is_running() {
  pid=$(cat "$data/weir.pid" 2>/dev/null || :)
  if [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null; then return 1; fi
  # An agent that was killed leaves its number behind, which another process may have by now.
  [ ! -r "/proc/$pid/cmdline" ] || tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -e weir -e serve
}

stop_service() {
  if is_live; then
    case $service in
    systemd) systemctl stop weir.service 2>/dev/null || : ;;
    openrc) rc-service -q weir stop 2>/dev/null || : ;;
    esac
  fi
  if is_running; then
    fail "weir still runs (process $(cat "$data/weir.pid")), and was not started as a service: stop it first"
  fi
}

# The command line of the agent as the user that it is to run as.
as_weir() {
  if [ -z "$root" ] && [ "$(id -u)" = 0 ]; then su -s /bin/sh weir -c "$1"; else sh -c "$1"; fi
}

# Starts the service and waits until it is well; without a service, starts the agent for a moment. False when it is not.
start_well() {
  started=$(date '+%Y-%m-%d %H:%M:%S')
  if [ "$check_health" = no ]; then
    if is_live; then start_service || :; fi
    return 0
  fi
  if is_live; then
    start_service || return 1
    listen_url
    wait_ready "$url" service_runs
  elif [ "$service" = none ]; then
    try_agent
  fi
}

start_service() {
  case $service in
  systemd) systemctl restart weir.service ;;
  openrc) rc-service weir restart ;;
  esac
}

service_runs() {
  case $service in
  systemd) systemctl -q is-active weir.service ;;
  openrc) rc-service -q weir status ;;
  esac
}

# Where the configuration says that the agent listens, as `url`.
listen_url() {
  address=$(sed -n "s/^listen:[ \"']*\([^ \"'#]*\).*/\1/p" "$config/weir.yaml" | head -n 1)
  scheme=http
  if grep -q '^tls:' "$config/weir.yaml"; then scheme=https; fi
  case ${address:=127.0.0.1:9081} in
  0.0.0.0:*) address=127.0.0.1:${address##*:} ;;
  "[::]:"*) address="[::1]:${address##*:}" ;;
  esac
  url=$scheme://$address
}

# limited SECONDS COMMAND...: wget has a limit of its own, over which the one of busybox 1.35 falls.
limited() {
  if has timeout; then
    timeout "$@"
  else
    shift
    "$@"
  fi
}

# ready URL: 0 when the agent there is ready, 1 when not, 2 when it wants to know who asks.
ready() {
  if ! has curl; then
    case $1 in
    https:*) limited 5 wget -q --no-check-certificate -O /dev/null "$1/readyz" 2>/dev/null ;;
    *) limited 5 wget -q -O /dev/null "$1/readyz" 2>/dev/null ;;
    esac
    return
  fi
  code=$(curl -k -s -o /dev/null -m 5 -w '%{http_code}' "$1/readyz" || :)
  case $code in
  200) return 0 ;;
  401 | 403) return 2 ;;
  esac
  # One that asks clients for certificates ends the connection.
  case $1 in https:*) if grep -q clientCaFile "$config/weir.yaml"; then return 2; fi ;; esac
  return 1
}

# wait_ready URL RUNS: until the agent is ready and still so after three seconds; false when RUNS says that it has ended.
wait_ready() {
  waited=0
  while :; do
    state=0
    ready "$1" || state=$?
    case $state in 0 | 2) break ;; esac
    "$2" || return 1
    [ "$waited" -lt "$health_timeout" ] || return 1
    sleep 1
    waited=$((waited + 1))
  done
  sleep "$settle_seconds"
  "$2" || return 1
  [ "$state" = 2 ] || ready "$1"
}
settle_seconds=3

try_agent() {
  log=$stage/trial.log
  : >"$log"
  as_weir "exec '$binary' serve --config '$config/weir.yaml' --data-dir '$data' --listen 127.0.0.1:0" >"$log" 2>&1 &
  trial=$!
  waited=0
  url=
  while [ -z "$url" ]; do
    url=$(sed -n 's/^weir .* ready on \(http.*\)$/\1/p' "$log" | head -n 1)
    [ -n "$url" ] && break
    if ! kill -0 "$trial" 2>/dev/null || [ "$waited" -ge "$health_timeout" ]; then
      stop_trial
      return 1
    fi
    sleep 1
    waited=$((waited + 1))
  done
  settle_seconds=1
  well=0
  wait_ready "$url" is_running || well=1
  stop_trial
  return "$well"
}

stop_trial() {
  # What the shell started may be `su` or, when it never got that far, no agent.
  if is_running; then kill "$pid" 2>/dev/null || :; else kill "$trial" 2>/dev/null || :; fi
  # Agents end within ten seconds.
  waited=0
  while kill -0 "$trial" 2>/dev/null && [ "$waited" -lt 15 ]; do
    sleep 1
    waited=$((waited + 1))
  done
  if is_running; then kill -9 "$pid" 2>/dev/null || :; fi
  kill -9 "$trial" 2>/dev/null || :
  wait "$trial" 2>/dev/null || :
}

show_log() {
  if [ -n "${log:-}" ]; then
    tail -n 20 "$log" >&2
  elif is_live && [ "$service" = systemd ]; then
    journalctl -u weir.service -n 20 --since "$started" --no-pager >&2 2>/dev/null || :
  elif is_live; then
    tail -n 20 /var/log/weir.log >&2 2>/dev/null || :
  fi
}

# --- data

# A copy of the database as it is while nobody writes it. The agent must be stopped.
snapshot() {
  rm -rf "$data/snapshot.new"
  [ -e "$data/weir.db" ] || return 0
  if ! { mkdir -m 0700 "$data/snapshot.new" && cp -p "$data"/weir.db* "$data/snapshot.new/" &&
    printf '%s\n' "$1" >"$data/snapshot.new/version"; }; then
    rm -rf "$data/snapshot.new"
    return 1
  fi
  own -R weir:weir "$data/snapshot.new"
  rm -rf "$data/snapshot"
  mv "$data/snapshot.new" "$data/snapshot"
}

# Puts the copy back. What is there stands in `failed` afterwards.
restore_snapshot() {
  rm -rf "$data/failed"
  mkdir -m 0700 "$data/failed"
  for each in "$data"/weir.db*; do
    if [ -e "$each" ]; then mv "$each" "$data/failed/"; fi
  done
  if [ -e "$data/snapshot/weir.db" ]; then cp -p "$data"/snapshot/weir.db* "$data/"; fi
  own -R weir:weir "$data/failed"
}

# Takes the previous version and its data back.
go_back() {
  place "$lib/previous/weir" "$binary" 0755
  rm -rf "$lib/share"
  mv "$lib/previous/share" "$lib/share"
  rm -rf "$lib/previous"
  place_shared
  place_service
  restore_snapshot
}

# --- the first administrator

# A new agent gets one account whose password is shown once. Called while the agent is stopped, as it holds its database.
create_admin() {
  [ ! -e "$data/weir.db" ] || return 0
  "$binary" user --help >/dev/null 2>&1 || return 0
  : >"$stage/admin"
  chmod 0600 "$stage/admin"
  if ! as_weir "'$binary' user add admin --role admin --generate --data-dir '$data'" >"$stage/admin" 2>&1; then
    warn "cannot create the first administrator:"
    cat "$stage/admin" >&2
    return 0
  fi
  say ""
  say "The first administrator. This is shown once:"
  cat "$stage/admin"
  say ""
}

# --- what can be asked for

install_weir() {
  detect_target
  begin
  get_release
  verify_release
  unpack_release
  old_version=$(cat "$lib/share/version" 2>/dev/null || :)
  is_upgrade=no
  if [ -e "$binary" ] && [ -n "$old_version" ]; then is_upgrade=yes; fi
  if [ "$is_upgrade" = yes ] && cmp -s "$new/weir" "$binary"; then
    repair
    return
  fi
  create_user
  if [ "$is_upgrade" = yes ]; then upgrade; else install_first; fi
}

# The same version again: everything is put in its place, and a service that does not run is started.
repair() {
  create_user
  place_release "$new"
  place_config
  place_service
  if is_live && { [ "$serial" = yes ] || [ "$limits" = yes ] || ! service_runs; }; then
    start_well || { show_log; fail "weir $new_version does not get ready"; }
  fi
  say "weir $new_version is installed already"
}

install_first() {
  place_release "$new"
  place_config
  create_admin
  place_service
  if ! start_well; then
    show_log
    warn "weir $new_version does not get ready; it is removed, configuration and data stay"
    remove_program
    exit 1
  fi
  say "weir $new_version is installed as $binary"
  tell_more
}

upgrade() {
  say "upgrading from $old_version to $new_version"
  stop_service
  if ! snapshot "$old_version"; then
    if is_live; then start_service || :; fi
    fail "cannot copy the database in $data; nothing was changed"
  fi
  keep_previous
  place_release "$new"
  place_config
  place_service
  if start_well; then
    say "weir $new_version is installed; install.sh --rollback goes back to $old_version and to the data of this moment"
    return
  fi
  show_log
  warn "weir $new_version does not get ready: going back to $old_version"
  if is_live; then stop_service; fi
  go_back
  log=
  if start_well; then
    warn "weir $old_version is back with its data; what $new_version left of the database stands in $data/failed"
  else
    show_log
    warn "weir $old_version is back with its data, but does not get ready either"
  fi
  exit 1
}

roll_back() {
  begin
  [ -e "$lib/previous/weir" ] || fail "there is no version to go back to"
  old_version=$(cat "$lib/previous/share/version")
  stop_service
  go_back
  start_well || { show_log; fail "weir $old_version is back with its data, but does not get ready"; }
  say "weir $old_version is back, with the data that it had; those of the newer version stand in $data/failed"
}

tell_more() {
  case $service in
  systemd) say "The service: systemctl status weir, journalctl -u weir" ;;
  openrc) say "The service: rc-service weir status, /var/log/weir.log" ;;
  none) say "No service was set up. As the user weir: $prefix/bin/weir serve --config /etc/weir/weir.yaml" ;;
  esac
  say "Settings stand in $config/weir.yaml, data in $data"
}

# Removes the program and what was placed beside it.
remove_program() {
  if is_live; then
    case $service in
    systemd) systemctl disable -q --now weir.service 2>/dev/null || : ;;
    openrc)
      rc-service -q weir stop 2>/dev/null || :
      rc-update -q del weir 2>/dev/null || :
      ;;
    esac
  elif [ -n "$root" ] && [ "$service" = systemd ]; then
    rm -f "$root/etc/systemd/system/multi-user.target.wants/weir.service"
  fi
  rm -f "$unit" "$unit.d/backoff.conf" "$init" "$binary" "$binary.new"
  rm -rf "$lib/share" "$lib/previous" "$lib/previous.new" "$lib/share.new"
  rmdir "$unit.d" 2>/dev/null || :
  for each in "$bash_completion" "$zsh_completion" "$fish_completion" "$manual"; do
    rm -f "$each"
    each=${each%/*}
    while [ "$each" != "$share" ] && rmdir "$each" 2>/dev/null; do each=${each%/*}; done
  done
  if is_live && [ "$service" = systemd ]; then systemctl daemon-reload; fi
}

uninstall() {
  begin
  if ! is_live && is_running; then fail "weir still runs (process $pid): stop it first"; fi
  remove_program
  if [ "$purge" = no ]; then
    say "weir is removed; $config, $data and the user weir stay (--purge removes them)"
    return
  fi
  rm -rf "$config" "$data" "$unit.d" "$root/var/log/weir.log"
  if [ -z "$root" ]; then
    if id weir >/dev/null 2>&1; then if has userdel; then userdel weir; else deluser weir; fi; fi
    if grep -q '^weir:' /etc/group; then if has groupdel; then groupdel weir; else delgroup weir; fi; fi
  fi
  say "weir is removed, with configuration and data"
}

main() {
  read_options "$@"
  set_paths
  choose_service
  require_rights
  umask 022
  case $action in
  install) install_weir ;;
  rollback) roll_back ;;
  uninstall) uninstall ;;
  esac
}

main "$@"
