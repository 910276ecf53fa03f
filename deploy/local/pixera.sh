#!/bin/sh
# `pixera`, from any folder: `make setup` copies this to .venv/bin/pixera. The project is no package, so nothing else would.
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd) || exit 2
# -P: a folder named cli where it is called is not taken for ours.
PYTHONPATH="$root" exec "$root/.venv/bin/python" -P -m cli "$@"
