#!/usr/bin/env bash
# Build wheel and sdist, check them, install the wheel where nothing else is, and run the demo from it.
# usage: tools/release.sh PYTHON   (one that has `build` and `twine`); what is built lies in dist/.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
version=$("$python" -c "import tomllib; print(tomllib.load(open('pyproject.toml', 'rb'))['project']['version'])")

grep -q "^## \[$version\]" CHANGELOG.md || { echo "CHANGELOG.md says nothing of $version." >&2; exit 1; }
[ -z "$(git status --porcelain)" ] || { echo "There are changes that are not committed." >&2; exit 1; }

rm -rf dist
"$python" -m build --outdir dist
"$python" -m twine check --strict dist/*

bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
"$python" -m venv "$bare/env"
"$bare/env/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
cp constraints.txt "$bare"
cd "$bare"  # so that nothing of this folder is found by chance
installed=$(env/bin/python -c "import mimetic; print(mimetic.__version__)")
[ "$installed" = "$version" ] || { echo "The wheel says it is $installed, not $version." >&2; exit 1; }
env/bin/mimetic --version
env/bin/mimetic demo --out demo
echo "dist/ holds $version: built, checked, installed bare, demo run."
