#!/bin/bash
# A virtual environment, a Docker daemon, the services' images; with `tests`, all that the tests need.
# What is there already is left alone; a run killed half-way is completed by the next one.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p .setup
# Two set-ups at once in one checkout take turns. Not every system has flock: then they must not.
if command -v flock >/dev/null; then
    exec 9>.setup/lock
    flock 9
fi

bash scripts/setup-python.sh
bash scripts/setup-docker.sh
names=
[ "${1:-}" != tests ] || names=$(.venv/bin/python scripts/images_of_tests.py)
# shellcheck disable=SC2086 # one word for each
.venv/bin/wflo-testkit images pull $names
