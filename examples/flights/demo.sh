#!/bin/sh
# Runs the flights pipeline, kills it in the middle and resumes it. Usage: demo.sh [PIPECTL]
set -eu

pipectl=$(command -v "${1:-pipectl}") || { echo "demo.sh: no such command: ${1:-pipectl}" >&2; exit 2; }
case $pipectl in /*) ;; *) pipectl=$PWD/$pipectl ;; esac
python=$(dirname "$pipectl")/python
[ -x "$python" ] || python=python3
cd "$(dirname "$0")"
mkdir -p build
rm -f build/report.html
: > build/server.log

if [ -t 1 ]; then bold='\033[1m' plain='\033[0m'; else bold='' plain=''; fi
say() { printf "\n$bold%s$plain\n" "$*"; }

# The files come over HTTP, from a port that is free.
"$python" -u -m http.server 0 --bind 127.0.0.1 --directory data > build/server.log 2>&1 &
server=$!
trap 'kill "$server" 2> /dev/null || true' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
until source=$(sed -n 's/.*(\(http:.*\)\/).*/\1/p' build/server.log) && [ -n "$source" ]; do
  kill -0 "$server" || { cat build/server.log >&2; exit 1; }
  sleep 0.1
done

say "80,789 flights that left New York in early 2013: fetched, cleaned, loaded into a database, checked and measured; a
model of which will be late, judged before it is kept; and a report. Killed in the middle, and resumed."

say '$ pipectl graph flights.yaml'
"$pipectl" graph flights.yaml

say "\$ pipectl run flights.yaml -p source=$source   # and kill -9 while it trains"
"$pipectl" run flights.yaml -p source="$source" &
runner=$!
until "$pipectl" show 2> /dev/null | grep -q '^ *train .*running'; do
  kill -0 "$runner" 2> /dev/null || break
  sleep 0.1
done
kill -9 "$runner" 2> /dev/null || true
wait "$runner" 2> /dev/null || true
until "$pipectl" runs --limit 1 | grep -q 'interrupted\|success'; do sleep 0.1; done  # what it had started is ended too

say '$ pipectl runs'
"$pipectl" runs --limit 1

say '$ pipectl resume   # only the rest'
"$pipectl" resume

say '$ pipectl show'
"$pipectl" show

say '$ pipectl logs latest closing'
"$pipectl" logs latest closing
