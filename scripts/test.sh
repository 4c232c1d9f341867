#!/usr/bin/env bash
# Lint, type-check and test. Arguments go to pytest: bash scripts/test.sh tests/layers -k window
set -euo pipefail
cd "$(dirname "$0")/.."
ACMIX_REQUIREMENTS=requirements-dev.txt . scripts/environment.sh
export GLOG_v=3
ruff check .
ruff format --check .
mypy
# One worker per core, each with one thread: graph compilation, which takes most of the time, has one.
exec pytest -n "${ACMIX_TEST_WORKERS:-2}" "$@"
