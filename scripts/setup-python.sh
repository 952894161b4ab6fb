#!/bin/bash
# Make .venv with the pinned packages and this checkout in editable form.
# PYTHON names the interpreter to use (default: the first that is 3.11 or newer).
set -euo pipefail

stamp=.venv/.setup-done
started=.setup/python-started

say() { echo "setup: $*"; }

# A venv works in one place only, so the place is part of what it was made from.
inputs() { { pwd; cat requirements.lock pyproject.toml scripts/setup-python.sh; } | sha256sum; }

is_done() {
    [ -x .venv/bin/wflo-testkit ] && [ -f "$stamp" ] && [ "$(<"$stamp")" = "$1" ]
}

suits() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null && suits "$candidate"; then
            echo "$candidate"
            return
        fi
    done
}

# Debian splits venv's ensurepip off into a package of its own.
install_venv_package() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    say 'installing python3-venv from the distribution'
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y \
        --no-install-recommends python3-venv >/dev/null
}

make_venv() {
    local python
    python=$(find_python)
    if [ -z "$python" ]; then
        install_venv_package
        python=$(find_python)
    fi
    if [ -z "$python" ]; then
        say 'no Python 3.11 or newer with the venv module was found; install one, or set PYTHON' >&2
        exit 1
    fi
    say "making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv
}

# The lock's own entry for uv, with its hashes.
locked_uv() { awk '/^[^ ]/ { inside = /^uv==/ } inside' requirements.lock; }

install_packages() {
    local pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
    locked_uv >.setup/uv.txt
    say 'installing packages'
    "${pip[@]}" install --require-hashes -r .setup/uv.txt
    # uv does not read pip's configuration, so pip has the last word where that names a mirror.
    VIRTUAL_ENV=.venv .venv/bin/uv pip install --quiet --require-hashes -r requirements.lock \
        || "${pip[@]}" install --require-hashes -r requirements.lock
    "${pip[@]}" install --no-deps --no-build-isolation --no-index -e .
    # Where PYTHONDONTWRITEBYTECODE is set every process would compile its libraries anew: two
    # seconds for a suite that uses Temporal.
    .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true
}

now=$(inputs)
! is_done "$now" || exit 0
# A mark from a killed run: what is in .venv may be half there.
if [ -f "$started" ] || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    touch "$started"
    make_venv
fi
touch "$started"
install_packages
printf '%s\n' "$now" >"$stamp"
rm "$started"
