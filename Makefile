# SPDX-License-Identifier: Apache-2.0
# `make help` lists the targets. Each does the set-up and the build that it needs, if not done yet.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON_BIN := .venv/bin/python
JOBS ?= $(shell nproc)
CPP_SOURCES = $(shell find src tests/cpp benchmarks -name '*.h' -o -name '*.cpp' 2>/dev/null)
PYTHON_SOURCES = $(wildcard python tests benchmarks examples scripts)
MYPY_SOURCES = $(wildcard python benchmarks examples scripts)

.PHONY: help
help:  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

.PHONY: setup
setup:  ## install Debian packages, .venv and the Python packages (skipped when done)
	@scripts/setup.sh

# $(call configure,PRESET): only the first time; CMake runs again by itself when its files change.
define configure
	@mkdir -p build
	@test -f build/$(1)/build.ninja || cmake --preset $(1) >build/$(1)-configure.log 2>&1 || \
	  { cat build/$(1)-configure.log >&2; exit 1; }
endef

.PHONY: build
build: setup  ## build into build/release and install the package, editable, into .venv
	$(call configure,release)
	@cmake --build --preset release -j $(JOBS)
	@scripts/install_editable.sh

.PHONY: demo
demo: build  ## train a small language model on the device; results in build/demo
	@$(PYTHON_BIN) examples/train_lm.py --out build/demo

.PHONY: test
test: build lint test-cpp test-asan test-tsan test-python  ## what CI runs: lint, the C++ tests, the sanitizer runs, the Python tests

.PHONY: test-cpp
test-cpp: build  ## the C++ tests
	@ctest --preset release

# Last in CI, so that pytest's closing line is the last one printed. First the random programs with their graphs held against
# the kernels, by single calls, short segments and whole ones: interpreted, then compiled.
.PHONY: test-python
test-python: build  ## the Python tests
	@for compile in 0 1; do for interval in 1 7 0; do \
	  TRIREME_VERIFY=1 TRIREME_COMPILE=$$compile TRIREME_INTERVAL=$$interval \
	    $(PYTHON_BIN) -m pytest tests/python/property -q || exit 1; done; done
	@$(PYTHON_BIN) -m pytest tests/python -q -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

# The C++ tests; TSan sees Python's threads, too. For other Python files: scripts/with_sanitizer.sh.
.PHONY: test-asan test-tsan
test-asan test-tsan: test-%: setup  ## the C++ tests with AddressSanitizer or ThreadSanitizer
	$(call configure,$*)
	@cmake --build --preset $* -j $(JOBS)
	@scripts/with_sanitizer.sh $* ctest --preset $*
	$(if $(filter tsan,$*),@scripts/with_sanitizer.sh tsan $(PYTHON_BIN) -m pytest -q tests/python/test_module_threads.py)

.PHONY: lint
lint: setup lint-cpp lint-python  ## clang-format, clang-tidy, ruff, mypy

.PHONY: lint-cpp
lint-cpp: setup
	@clang-format-14 --dry-run -Werror $(CPP_SOURCES)
	$(call configure,lint)
	@cmake --build build/lint --target trireme_generated >/dev/null
	@$(PYTHON_BIN) scripts/tidy.py --jobs $(JOBS) build/lint

.PHONY: lint-python
lint-python: setup
	@$(PYTHON_BIN) -m ruff check -q $(PYTHON_SOURCES)
	@$(PYTHON_BIN) -m ruff format -q --check $(PYTHON_SOURCES)
	@$(PYTHON_BIN) -m mypy $(MYPY_SOURCES)

.PHONY: format
format: setup  ## let clang-format and ruff rewrite the sources
	@clang-format-14 -i $(CPP_SOURCES)
	@$(PYTHON_BIN) -m ruff check -q --fix $(PYTHON_SOURCES)
	@$(PYTHON_BIN) -m ruff format -q $(PYTHON_SOURCES)

.PHONY: bench
bench: build  ## the benchmarks, as ratios to eager CPU
	@cmake --build build/release --target record_bench -j $(JOBS)
	@$(PYTHON_BIN) -m benchmarks $(BENCH_ARGS)

.PHONY: bench-compile
bench-compile: build  ## eager, the compiler and torch.compile over all programs
	@$(PYTHON_BIN) -m benchmarks.compiled $(BENCH_ARGS)

.PHONY: clean
clean:  ## remove what was built (.venv stays)
	rm -rf build python/trireme/_C*.so
