#!/bin/sh
# Installs what builds and runs images, from Debian's packages, and makes the image that the tests build on: Debian's
# Python, in place of python:3.11-slim-bookworm, which comes from a registry. Quick where all is there.
#
#   tests/images/install.sh NAME       # of the image
#
# Exit status: 0 installed, 3 cannot be installed here (the last line says why).
set -eu

name=$1
packages='aardvark-dns buildah ca-certificates debootstrap iptables netavark podman runc'
contents=ca-certificates,python3,python3-pip,python3-venv

cannot_install() {
  echo "cannot build images: $1" >&2
  exit 3
}

quietly() {
  "$@" >"$scratch/log" 2>&1 </dev/null || cannot_install "$1 failed: $(tail -n 1 "$scratch/log")"
}

apt() {
  DEBIAN_FRONTEND=noninteractive quietly apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

command -v apt-get >/dev/null || cannot_install "there is no apt-get: it takes Debian's packages"
test "$(id -u)" -eq 0 || cannot_install 'only root can'
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# shellcheck disable=SC2016,SC2086  # dpkg-query's own placeholders; one word for each package
if [ "$(dpkg-query -W -f '${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed)" -ne "$(echo $packages | wc -w)" ]; then
  apt update
  # shellcheck disable=SC2086
  apt install --no-install-recommends $packages
fi

podman image exists "$name" && exit 0
quietly debootstrap --variant=minbase --include="$contents" bookworm "$scratch/root"
rm -rf "$scratch"/root/var/cache/apt/archives/*.deb "$scratch"/root/var/lib/apt/lists/*
tar -C "$scratch/root" -cf "$scratch/root.tar" .
quietly podman import "$scratch/root.tar" "$name"
