#!/usr/bin/env bash
# with_adbd.sh COMMAND [ARG ...] runs COMMAND next to a real daemon of the Android Debug Bridge.
#
# COMMAND reaches the daemon as the device $ANDROID_SERIAL, which is 127.0.0.1:$ADBD_PORT (5555 unless
# set). The "phone" is this machine: shell, push and pull are real; Android's own commands are missing
# unless PATH has stand-ins. The daemon is Debian 13's adbd, unpacked into $ADBD_CACHE once, with the
# libraries it needs; nothing is installed.
#
# It obeys anyone who connects, as root, so it gets a network of its own that has only loopback.
# Processes and mounts are apart too: everything ends with COMMAND, and /proc shows only what runs
# inside.
#
# Exit status 77: it cannot run here; the reason is the last line of stderr. Else that of COMMAND.
set -euo pipefail
cannot() { echo "$*" >&2; exit 77; }

[ $# -gt 0 ] || { echo "usage: with_adbd.sh COMMAND [ARG ...]" >&2; exit 2; }
[ "$(uname -sm)" = "Linux x86_64" ] || cannot "needs Linux on x86_64"
[ "$(id -u)" = 0 ] || cannot "needs root, for a network of its own"
for program in apt-get dpkg unshare; do
  command -v $program >/dev/null || cannot "needs $program"
done
spaces=(--net --pid --mount-proc --fork --kill-child)
unshare "${spaces[@]}" true 2>/dev/null || cannot "needs the permission to unshare namespaces"

cache=${ADBD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/adbd-trixie}
packages="adbd android-libbase android-libboringssl android-libcutils android-liblog
  android-libziparchive libbrotli1 libbsd0 libc6 libcap2 libgcc-s1 liblz4-1 libmd0
  libprotobuf32t64 libstdc++6 libsystemd0 libudev1 libusb-1.0-0 libxxhash0 libzstd1 zlib1g"
if [ ! -e "$cache/ready" ]; then
  mkdir -p "$(dirname "$cache")"
  scratch=$(mktemp -d "$cache.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  mkdir -p "$scratch"/{lists/partial,debs,root}
  site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
  [ -n "$site" ] || cannot "apt knows no Debian mirror"
  echo "deb [arch=amd64] $site trixie main" >"$scratch/trixie.list"
  apt=(apt-get -q -o "Dir::Etc::sourcelist=$scratch/trixie.list" -o Dir::Etc::sourceparts=-
    -o "Dir::State::lists=$scratch/lists" -o APT::Sandbox::User=root)
  "${apt[@]}" update >&2 || cannot "the packages of Debian 13 cannot be listed"
  # shellcheck disable=SC2086 # the list is words
  (cd "$scratch/debs" && "${apt[@]}" download $packages >&2) || cannot "adbd cannot be fetched"
  for package in "$scratch"/debs/*.deb; do dpkg -x "$package" "$scratch/root"; done
  rm -rf "$scratch/lists" "$scratch/debs"
  touch "$scratch/ready"
  # Complete or not there at all, also if two start at once.
  mv -T "$scratch" "$cache" || [ -e "$cache/ready" ]
fi

export ADBD_ROOT=$cache/root ADBD_PORT=${ADBD_PORT:-5555}
export ANDROID_SERIAL=127.0.0.1:$ADBD_PORT
export ANDROID_ADB_SERVER_PORT=${ANDROID_ADB_SERVER_PORT:-15037}
exec unshare "${spaces[@]}" -- bash -c '
  ip link set lo up 2>/dev/null || ifconfig lo up
  libraries=$ADBD_ROOT/usr/lib/x86_64-linux-gnu
  # Through its own loader: Debian 13 has a newer C library than this system may have.
  "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/android" \
    "$ADBD_ROOT/usr/lib/android-sdk/platform-tools/adbd" >"${ADBD_LOG:-/dev/null}" 2>&1 &
  for attempt in $(seq 50); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$ADBD_PORT") 2>/dev/null; then
      "$@" # not exec: this shell buries the orphans
      exit
    fi
    sleep 0.1
  done
  echo "adbd does not answer at $ANDROID_SERIAL; ADBD_LOG names a file for what it says" >&2
  exit 1' with_adbd "$@"
