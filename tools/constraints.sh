#!/usr/bin/env bash
# Print constraints.txt: the newest set that fits together, for every Python from 3.11 on.
# torch is held at the version that the tests ran with; the CUDA packages it brings on Linux follow it by themselves.
set -euo pipefail
echo '# The whole tested set: pip install -c constraints.txt -e ".[dev,face]". Made by `make constraints`.'
env -u UV_FIND_LINKS -u PIP_FIND_LINKS uv pip compile pyproject.toml --quiet --all-extras --universal \
    --python-version 3.11 --constraint <(echo 'torch==2.13.0') --no-annotate --no-header |
    grep -vE '^(nvidia-|cuda-|triton)'
