# Sourced by the other scripts: enter the project's .venv, made and filled where there is none.
# Usage: [ACMIX_REQUIREMENTS=requirements-dev.txt] . scripts/environment.sh
# A variable, no argument: without arguments, a sourced script sees those of the one that sources it.

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.10 python3 python; do
        # A shim of pyenv exists for versions that are not installed; only running it tells.
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' \
            2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "acmix needs Python 3.10, 3.11 or 3.12; none was found on the PATH." >&2
    return 1
}

enter_venv() {
    local requirements=$1 stamp python
    stamp=".venv/installed-$(cat requirements*.txt pyproject.toml | cksum | cut -d' ' -f1)-$requirements"
    if [ ! -e "$stamp" ]; then
        if [ ! -x .venv/bin/python ]; then
            python=$(find_python) || return 1
            echo "Making .venv with $("$python" --version)"
            "$python" -m venv .venv || return 1
        fi
        echo "Installing $requirements"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" \
            || return 1
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e . \
            || return 1
        touch "$stamp"
    fi
    # shellcheck disable=SC1091
    . .venv/bin/activate
}

enter_venv "${ACMIX_REQUIREMENTS:-requirements.txt}" || exit 1
