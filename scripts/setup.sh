#!/bin/bash
# Everything that the tests need: a virtual environment, a Docker daemon, images.
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
.venv/bin/wflo-testkit images pull
