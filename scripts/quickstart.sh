#!/usr/bin/env bash
# From a fresh clone to a trained, exported and measured Swin-ACmix, on the digits of scikit-learn.
# Writes runs/quickstart/summary.json. A finished quickstart is not trained again: remove the folder.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh
exec python scripts/quickstart.py "$@"
