#!/bin/sh
# Installs what the test wiki runs on, from Debian's packages. Quiet and quick where all is there.
# Exit status: 0 installed, 3 cannot be installed here (the last line says why).
set -eu

packages='mediawiki php-apcu php-cli php-intl php-mbstring php-sqlite3 php-xml'
policy=/usr/sbin/policy-rc.d

cannot_install() {
  echo "cannot install MediaWiki: $1" >&2
  exit 3
}

installed() {
  # shellcheck disable=SC2016,SC2086  # dpkg-query's own placeholders; one word for each package
  test "$(dpkg-query -W -f '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed)" \
    -eq "$(echo $packages | wc -w)"
}

apt() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null ||
    cannot_install "apt-get $1 failed: $(tail -n 1 "$log")"
}

command -v apt-get >/dev/null || cannot_install "there is no apt-get: it takes Debian's packages"
installed && exit 0
test "$(id -u)" -eq 0 || cannot_install 'only root can'

log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ ! -e "$policy" ]; then
  # The mediawiki package brings a web server, which must not start.
  trap 'rm -f "$log" "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
fi

apt update
# shellcheck disable=SC2086
apt install --no-install-recommends $packages
