#!/usr/bin/env bash
# Lint, type-check and test: one variant of everything in minutes, or all of them with --all.
# Other arguments go to pytest: bash scripts/test.sh --all tests/layers -k window
set -euo pipefail
cd "$(dirname "$0")/.."
ACMIX_REQUIREMENTS=requirements-dev.txt . scripts/environment.sh
export GLOG_v=3
ruff check .
ruff format --check .
mypy
# One worker per core, each with one thread: graph compilation, which takes most of the time, has one.
# A module stays on one worker, so that what its tests share is made once.
arguments=()
for argument in "$@"; do
    if [ "$argument" = --all ]; then
        arguments+=(-m "") # in place of pyproject's: -m 'not exhaustive'
    else
        arguments+=("$argument")
    fi
done
exec pytest -n "${ACMIX_TEST_WORKERS:-2}" --dist loadscope ${arguments[@]+"${arguments[@]}"}
