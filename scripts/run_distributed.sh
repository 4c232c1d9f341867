#!/usr/bin/env bash
# Train on several devices, of one machine:
#   bash scripts/run_distributed.sh --device ascend|gpu|cpu --workers N CONFIG [key=value ...]
# or of several, started on each with --nodes M --node-rank R --master ADDR; see docs/cluster.md.
set -euo pipefail
cd "$(dirname "$0")/.."
# A MindSpore that was installed for this machine is taken as it is.
python -c 'import acmix, mindspore' 2>/dev/null || . scripts/environment.sh
exec python -m acmix.launch "$@"
