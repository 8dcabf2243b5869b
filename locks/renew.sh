#!/bin/sh
# Writes the locks anew: what the image installs, with versions and checksums, one file for each folder of plugins/.
#
#   locks/renew.sh PYTHON [PIP_COMPILE_OPTION…]        # as `make lock [LOCK="…"]`
#
# PYTHON is to be the image's version of Python (3.11). A version that is locked stays as long as it fits: for newer
# ones, `--upgrade` or `--upgrade-package NAME`. torch for CPUs alone comes from an index of its own:
# `--extra-index-url https://download.pytorch.org/whl/cpu`.
set -eu

python=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m venv "$scratch/venv"
"$scratch/venv/bin/python" -m pip install --quiet pip-tools==7.6.2 wheel

# Our own distributions are on no index: others refer to them by name, and no lock names them.
"$scratch/venv/bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$scratch/wheels" "$root" "$root"/plugins/*/
own=''
for wheel in "$scratch"/wheels/*.whl; do
  name=$(basename "$wheel" | cut -d- -f1 | tr _ -)
  echo "$name" >>"$scratch/all.in"
  own="$own --unsafe-package $name"
done

compile() {
  # shellcheck disable=SC2086  # a list of options
  "$scratch/venv/bin/pip-compile" --quiet --generate-hashes --strip-extras --no-header --no-annotate \
    --no-emit-find-links --no-emit-index-url --find-links "$scratch/wheels" $own "$@"
  # Its comments list what it left out.
  sed -i -e '/^#/d' -e '/^$/d' "$output"
}

output=$root/locks/build.txt
compile --output-file "$output" "$@" "$root/locks/build.in"

# All plugins together first, so that their locks agree, and any set of them can be installed from its locks.
output=$scratch/all.txt
for plugin in "$root"/plugins/*/; do
  cat "$root/locks/$(basename "$plugin").txt" 2>/dev/null || true
done >"$output"
compile --output-file "$output" "$@" "$scratch/all.in"
for plugin in "$root"/plugins/*/; do
  name=$(basename "$plugin")
  sed -n 's/^name = "\(.*\)"$/\1/p' "$plugin/pyproject.toml" >"$scratch/$name.in"
  output=$root/locks/$name.txt
  compile --constraint "$scratch/all.txt" --output-file "$output" "$@" "$scratch/$name.in"
done

output=$root/tests/stand_ins/requirements.txt
compile --constraint "$scratch/all.txt" --output-file "$output" "$@" "${output%.txt}.in"
