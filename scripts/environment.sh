# shellcheck shell=bash
# What scripts/start and scripts/test share: find a Python, make a virtual environment, say so.
# Sourced, after `set -euo pipefail` and with `root` set to the checkout.

say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf 'vigie: %s\n' "$*" >&2
  exit 1
}

# suitable PYTHON: whether this interpreter runs and is one of those that vigie supports.
suitable() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

# find_python: print the path of a supported interpreter that can make environments.
find_python() {
  local name path bare=""
  for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
    path=$(command -v "$name" 2>/dev/null) || continue
    suitable "$path" || continue
    if "$path" -c 'import ensurepip, venv' 2>/dev/null; then
      printf '%s\n' "$path"
      return 0
    fi
    bare=$path
  done
  if [ -n "$bare" ]; then
    die "$bare cannot make virtual environments; on Debian: apt-get install python3-venv"
  fi
  die "vigie needs Python 3.11, 3.12 or 3.13; on Debian 12: apt-get install python3 python3-venv" \
    "(PYTHON=/path/to/python3 names another one)"
}

# version_of PYTHON: its version and platform, which an installed environment depends on.
version_of() { "$1" -c 'import platform, sys; print(sys.version.split()[0], platform.machine())'; }

# kept DIR: whether an environment has a supported Python, and the one that PYTHON names, if it does.
kept() {
  suitable "$1/bin/python" || return 1
  [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of "$1/bin/python")" ]
}

# make_environment DIR: a virtual environment, kept when it is there and of the right Python.
make_environment() {
  local venv=$1 python
  [ -w "$root" ] || [ -w "$venv" ] || die "$root is not writable for $(id -un), so $venv cannot be made"
  if ! kept "$venv"; then
    python=$(find_python) || exit 1
    say "making $(basename "$venv") with Python $(version_of "$python")"
    "$python" -m venv --clear "$venv"
  fi
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip -q
}

# install DIR PIP-ARGUMENTS...: install into an environment, naming each package as it comes.
install() {
  local venv=$1
  shift
  "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --use-pep517 "$@" |
    sed --unbuffered --quiet 's/^Collecting \([^ ]*\).*/    \1/p' >&2
}

# key_of DIR: what the installed contents of an environment follow from.
key_of() {
  { version_of "$1/bin/python" && printf '%s\n' "$root" && cat "$root/pyproject.toml"; } |
    sha256sum | cut -d' ' -f1
}

# installed DIR: whether the environment holds what its key says.
installed() { [ "$(cat "$1/.vigie-key" 2>/dev/null)" = "$(key_of "$1")" ]; }

# mark_installed DIR: note the key of what was installed.
mark_installed() { key_of "$1" >"$1/.vigie-key"; }
