#!/bin/sh
# Installs the database servers that the tests of sql tasks start. On Debian and Ubuntu, as root.
set -eu
missing=""
[ -d /usr/lib/postgresql ] || missing="$missing postgresql"
[ -x /usr/sbin/mariadbd ] || missing="$missing mariadb-server"
[ -n "$missing" ] || exit 0
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing
