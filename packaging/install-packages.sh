#!/bin/sh
# Install what virtci needs from the distribution; quick and silent when everything is there.
# Uses sudo for the package manager alone when not root; asks nothing.
set -eu
cd "$(dirname "$0")"

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

names() {
    sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$1"
}

if command -v apt-get >/dev/null; then
    missing=
    for name in $(names debian-packages.txt); do
        state=$(dpkg-query -W -f '${Status}' "$name" 2>/dev/null || true)
        [ "$state" = "install ok installed" ] || missing="$missing $name"
    done
    [ -n "$missing" ] || exit 0
    echo "installing:$missing"
    as_root apt-get -qq update
    # shellcheck disable=SC2086 -- one word per package is meant
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        -o Dpkg::Options::=--force-confold $missing >/dev/null
elif command -v zypper >/dev/null; then
    missing=
    for name in $(names opensuse-packages.txt); do
        rpm -q --whatprovides "$name" >/dev/null 2>&1 || missing="$missing $name"
    done
    [ -n "$missing" ] || exit 0
    echo "installing:$missing"
    # shellcheck disable=SC2086
    as_root zypper --non-interactive --quiet install --no-recommends $missing
else
    echo "neither apt-get nor zypper is here: install what packaging/debian-packages.txt names" >&2
    exit 3
fi
