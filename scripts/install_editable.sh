#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Puts python/ on .venv's path with the package's metadata (entry points), once. CMake has left the
# module in python/trireme already, so nothing is compiled here and rebuilding needs no new install.
set -euo pipefail
cd "$(dirname "$0")/.."

STAMP=.venv/.trireme-editable
wanted=$(cat pyproject.toml scripts/install_editable.sh | sha256sum | cut -d' ' -f1)
if [[ -f $STAMP && $(<"$STAMP") == "$wanted" ]]; then
  exit 0
fi
.venv/bin/python -m pip install -q --disable-pip-version-check --no-input --no-deps --no-build-isolation \
  -C wheel.cmake=false -C editable.mode=inplace -e .
echo "$wanted" >"$STAMP"
