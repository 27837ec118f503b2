#!/bin/sh
# Installs the database servers that the tests of sql tasks start. On Debian and Ubuntu, as root.
set -eu
exec 9> /tmp/pipectl-install.lock
flock 9  # tests on several cores may all find that something is missing
missing=""
[ -d /usr/lib/postgresql ] || missing="$missing postgresql"
[ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update
# shellcheck disable=SC2086
apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing
