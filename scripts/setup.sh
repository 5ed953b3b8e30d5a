#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building and testing need: Debian packages (only those missing) and .venv with pinned
# Python packages. A finished set-up is recognised by a stamp and costs a few milliseconds.
#   PYTHON=/path/to/python3.11   another interpreter for .venv
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH=2.13.0
VENV=.venv
STAMP=$VENV/.trireme-setup
REQUIREMENTS=scripts/requirements.txt
PACKAGES=(build-essential g++ cmake ninja-build ccache mold libgtest-dev flatbuffers-compiler
  libflatbuffers-dev zlib1g-dev llvm-19-dev libzstd-dev clang-format-14)

fail() {
  echo "setup: $*" >&2
  exit 1
}

# The wanted state in one line: a hash of this script's inputs, then the interpreter if one was asked for.
wanted() { echo "$(cat scripts/setup.sh "$REQUIREMENTS" | sha256sum | cut -d' ' -f1) ${PYTHON:-}"; }
if [[ -x $VENV/bin/python && -f $STAMP ]]; then
  done=$(<"$STAMP")
  if [[ $done == "$(wanted)" || (-z ${PYTHON:-} && ${done%% *} == "$(wanted | cut -d' ' -f1)") ]]; then
    exit 0
  fi
fi

# --- Debian packages ---------------------------------------------------------------------------------
installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }

install_packages() {
  local missing=() package
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  local as_root=()
  if ((EUID != 0)); then
    command -v sudo >/dev/null || fail "please install as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing Debian packages: ${missing[*]}"
  local log
  log=$(mktemp)
  # `|| true`: one unreachable source need not be the one that has the packages
  "${as_root[@]}" apt-get update -q >"$log" 2>&1 || true
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    "${missing[@]}" >>"$log" 2>&1; then
    tail -n 15 "$log" >&2
    fail "apt-get failed (log: $log). Please install: apt-get install ${missing[*]}"
  fi
  rm -f "$log"
}

command -v dpkg-query >/dev/null || fail "this is not a Debian system. Please install by its own means what \
docs/dependencies.md lists, then build with: pip install --no-build-isolation ."
install_packages "${PACKAGES[@]}"

# --- Python --------------------------------------------------------------------------------------------
# Runs it, since a shim on the PATH may lead nowhere.
suitable() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3.11 python3 /usr/bin/python3.11}; do
    if suitable "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  return 1
}

if ! python=$(find_python); then
  [[ -z ${PYTHON:-} ]] || fail "PYTHON=$PYTHON is not a working Python 3.11"
  install_packages python3.11 python3.11-venv python3.11-dev
  python=$(find_python) || fail "no Python 3.11. Please install: apt-get install python3.11 python3.11-venv python3.11-dev"
fi
# Debian splits Python: headers and venv are packages of their own. Other Pythons have both.
if [[ $python == /usr/bin/* ]]; then
  install_packages python3.11-venv python3.11-dev
fi
"$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
  fail "$python has no Python.h. Please install its development headers, or name another: PYTHON=... make build"

home_of() { "$1" -c 'import sys; print(sys.base_prefix)'; }
if [[ ! -x $VENV/bin/python ]] || ! suitable "$VENV/bin/python" ||
  [[ -n ${PYTHON:-} && $(home_of "$VENV/bin/python") != "$(home_of "$python")" ]]; then
  echo "setup: creating $VENV with $python"
  "$python" -m venv --clear "$VENV" || fail "cannot create $VENV with $python"
fi

# --- Python packages -----------------------------------------------------------------------------------
pip_install() {
  "$VENV/bin/python" -m pip install -q --disable-pip-version-check --no-input "$@" ||
    fail "pip failed. Please install into $VENV: $*"
}
# Without running torch: its backend entry point would load a device that is not built yet.
torch_version() {
  "$VENV/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true
}

before=$(torch_version)
if [[ ${before%%+*} != "$TORCH" ]]; then
  echo "setup: installing torch $TORCH (large, once)"
  # first, so that everything later finds it satisfied
  pip_install "torch==$TORCH"
  before=$(torch_version)
fi
echo "setup: installing Python packages"
pip_install "torch==$TORCH" -r "$REQUIREMENTS"
after=$(torch_version)
[[ $after == "$before" ]] || fail "a package replaced torch $before by $after. Please remove $VENV and report this"

wanted >"$STAMP"
echo "setup: done"
