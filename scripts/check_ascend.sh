#!/usr/bin/env bash
# Check an Ascend machine, in order, from the driver to the tables of speeds; see docs/ascend_check.md.
# First: source /usr/local/Ascend/ascend-toolkit/set_env.sh
# With --rehearse as the first argument it checks a stand-in, on a host without NPU and without CANN.
set -euo pipefail
cd "$(dirname "$0")/.."
# A MindSpore that was installed for this machine is taken as it is.
python -c 'import acmix, mindspore' 2>/dev/null || . scripts/environment.sh
if [ "${1-}" = --rehearse ]; then
    exec python -m acmix rehearse -- check-ascend "${@:2}"
fi
exec python -m acmix check-ascend "$@"
