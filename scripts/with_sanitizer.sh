#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# with_sanitizer.sh asan|tsan COMMAND...: runs a command against that build, with its options and
# suppressions. A Python command gets the sanitizer's runtime preloaded and the package with that
# build's module:
#   scripts/with_sanitizer.sh tsan .venv/bin/python -m pytest tests/python/test_threads.py
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
kind=${1:-}
[[ $kind == asan || $kind == tsan ]] && (($# > 1)) || {
  sed -n '3,6s/^# //p' "$0" >&2
  exit 2
}
shift
suppressions=$root/tests/suppressions

# Python and torch keep memory until the process ends; what Trireme allocates is not in lsan.supp.
export LSAN_OPTIONS="suppressions=$suppressions/lsan.supp:print_suppressions=0${LSAN_OPTIONS:+:$LSAN_OPTIONS}"
export ASAN_OPTIONS="suppressions=$suppressions/asan.supp:detect_leaks=${TRIREME_DETECT_LEAKS:-1}:detect_odr_violation=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export UBSAN_OPTIONS="print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}"
export TSAN_OPTIONS="suppressions=$suppressions/tsan.supp:ignore_noninstrumented_modules=1:halt_on_error=0:exitcode=66${TSAN_OPTIONS:+:$TSAN_OPTIONS}"

run=()
# TSan's shadow memory needs the classic layout; kernels with more random bits break it.
if [[ $kind == tsan ]] && setarch -R true 2>/dev/null; then
  run=(setarch -R)
fi

case $(basename "$1") in
  python* | pytest)
    [[ -n $(compgen -G "$root/build/$kind/python/trireme/_C*.so") ]] || {
      echo "with_sanitizer: no module in build/$kind: cmake --preset $kind && cmake --build --preset $kind" >&2
      exit 2
    }
    # Links to the Python sources beside that build's module.
    package=$root/build/$kind/python
    while IFS= read -r source; do
      mkdir -p "$package/$(dirname "$source")"
      ln -sf "$root/python/$source" "$package/$source"
    done < <(cd "$root/python" && find trireme -name '*.py')
    # The finder of the editable install would come before PYTHONPATH.
    cat >"$package/sitecustomize.py" <<'END'
import sys

sys.meta_path[:] = [f for f in sys.meta_path if not type(f).__name__.startswith("ScikitBuild")]
END
    export PYTHONPATH="$package${PYTHONPATH:+:$PYTHONPATH}"
    export PYTHONDONTWRITEBYTECODE=1
    # without libstdc++ the runtime cannot intercept exceptions thrown in a preloaded process
    preload=$(g++ -print-file-name="lib$kind.so"):$(g++ -print-file-name=libstdc++.so)
    run+=(env "LD_PRELOAD=$preload")
    # interpreters keep their objects; only invalid accesses matter there
    [[ -n ${TRIREME_DETECT_LEAKS:-} ]] || ASAN_OPTIONS+=":detect_leaks=0"
    ;;
esac
exec "${run[@]}" "$@"
