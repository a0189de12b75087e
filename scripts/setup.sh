# shellcheck shell=bash
# Sourced by the other scripts: finds or installs what they need, and runs nothing of the project.
# Works from any folder; changes to the project's root.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" # where Debian keeps sshd, ip and nft
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

is_root() { [ "$(id -u)" = 0 ]; }

# Whether as_root can work: this is root, sudo needs no password, or there is a terminal to ask on.
may_be_root() {
  is_root || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }
}

as_root() {
  if is_root; then "$@"; else sudo "$@"; fi
}

# Runs a command and hides its output; if it fails, shows the end of that and ends the script.
quietly() {
  local log status=0
  log=$(mktemp "${TMPDIR:-/tmp}/fleetctl-setup.XXXXXX")
  "$@" </dev/null >"$log" 2>&1 || status=$?
  if [ "$status" = 0 ]; then
    rm -f "$log"
    return
  fi
  tail -n 30 "$log" >&2
  die "Failed ($status): $*
These were its last lines; all of them are in $log"
}

# The first Python that is new enough, as a command.
find_python() {
  local python
  for python in python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  die "No Python 3.11 or newer was found. Install one, on Debian 12 with: sudo apt-get install -y python3"
}

# Debian packages of the programs that are missing, one per line; $1: the Python to make .venv with.
# With those of the long tests if $with_long says so.
missing_packages() {
  local pair
  for pair in tmux:tmux sshd:openssh-server ssh:openssh-client ping:iputils-ping ip:iproute2 \
    ps:procps unshare:util-linux git:git rsync:rsync nft:nftables lsof:lsof sudo:sudo iperf3:iperf3 zsh:zsh \
    curl:curl wget:wget busybox:busybox mksh:mksh yash:yash ksh93:ksh93u+m \
    ${with_long:+chromium:chromium chromedriver:chromium-driver prometheus:prometheus mpirun:openmpi-bin}; do
    command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
  "$1" -c 'import ensurepip, venv' 2>/dev/null || echo "$1-venv"
}

# Installs missing programs, or says which are missing and ends the script.
install_programs() {
  local python packages
  python=$(find_python)
  if [ "$(uname)" = Darwin ]; then
    command -v tmux >/dev/null || say "tmux is missing: brew install tmux"
    return
  fi
  packages=$(missing_packages "$python" | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  command -v apt-get >/dev/null ||
    die "These are missing, named as in Debian: ${packages}Install them with this system's package manager."
  may_be_root ||
    die "These packages are missing, and only root can install them. Run: sudo apt-get install -y --no-install-recommends $packages"
  say "Installing ${packages}with apt-get; this may take a minute"
  # shellcheck disable=SC2086  # a list of names
  apt_install $packages
}

# Debian starts a daemon when it is installed, and at every boot. Tests need the programs of sshd and
# Prometheus, but no server on this machine: policy-rc.d forbids the start meanwhile, and the service is
# disabled afterwards. A subshell, for the traps.
apt_install() (
  guard=/usr/sbin/policy-rc.d
  quietly as_root apt-get update -o DPkg::Lock::Timeout=300
  if [ ! -e "$guard" ]; then
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'as_root rm -f "$guard"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
    as_root chmod 755 "$guard"
  fi
  quietly as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
  command -v systemctl >/dev/null || return 0
  for pair in openssh-server:ssh prometheus:prometheus; do
    case " $* " in *" ${pair%%:*} "*) as_root systemctl disable --quiet "${pair#*:}.service" ;; esac
  done
)

# Makes .venv with the project in it, editable, under constraints.txt; $1: "[dev]", "[demo]" or "".
# Does nothing if pyproject.toml, constraints.txt, Python and this folder have not changed.
install_project() {
  local extras=$1 python state
  python=$(find_python)
  state=$(pwd && "$python" -VV && cat pyproject.toml constraints.txt)
  state=$(printf '%s' "$state" | cksum)
  if [ "$(cat ".venv/installed$extras" 2>/dev/null)" = "$state" ] ||
    [ "$(cat ".venv/installed[dev]" 2>/dev/null)" = "$state" ]; then
    return
  fi
  say "Installing fleetctl and what it depends on into .venv; this may take a minute"
  quietly "$python" -m venv --clear .venv
  PIP_CONSTRAINT=constraints.txt quietly .venv/bin/python -m pip install --editable ".$extras"
  # Otherwise every start compiles the project again where PYTHONDONTWRITEBYTECODE is set.
  .venv/bin/python -m compileall -q fleetctl
  printf '%s' "$state" >".venv/installed$extras"
}
