#!/bin/sh
# Installs what models with English features need and pip does not bring: Debian's dictionaries, and NLTK's stop words.
# The stop words go into the environment of the Python that is named, where NLTK looks by itself.
#
#   plugins/revscoring/tools/install_english.sh [PYTHON]
#
# Exit status: 0 installed, 3 cannot be installed here (the last line says why).
set -eu

python=${1:-python3}
image=$(dirname "$0")/../image
packages=$(tr '\n' ' ' <"$image/packages.txt")

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
prefix=$("$python" -c 'import sys; print(sys.prefix)')
"$image/install.sh" "$python" "$prefix" || cannot_install 'pip does not bring the stop words'
"$python" -c 'from nltk.corpus import stopwords; stopwords.words("english")' ||
  cannot_install 'the stop words are not where they should be'
