#!/bin/sh
# Runs the flights pipeline, then kills it in the middle and resumes it. Usage: demo.sh [PIPECTL]
set -eu

pipectl=$(command -v "${1:-pipectl}") || { echo "demo.sh: no such command: ${1:-pipectl}" >&2; exit 2; }
case $pipectl in /*) ;; *) pipectl=$PWD/$pipectl ;; esac
cd "$(dirname "$0")"

if [ -t 1 ]; then bold='\033[1m' plain='\033[0m'; else bold='' plain=''; fi
say() { printf "\n$bold%s$plain\n" "$*"; }

say "80,789 flights that left New York in early 2013 become a report on delays: run, checked and measured by a pipeline.
Then the same again, killed in the middle with kill -9, and resumed: what had succeeded is not run again."

say '$ pipectl run flights.yaml'
"$pipectl" run flights.yaml --output plain

say '$ pipectl run flights.yaml   # and kill -9 as soon as it measures delays'
rm -f build/report.md build/progress
mkfifo build/progress
"$pipectl" run flights.yaml --output plain 2> build/progress &
runner=$!
while read -r line; do
  printf '%s\n' "$line"
  case $line in by_carrier*) kill -9 "$runner" 2> /dev/null || true ;; esac
done < build/progress
wait "$runner" 2> /dev/null || true
rm build/progress

say '$ pipectl runs'
"$pipectl" runs --limit 2

say '$ pipectl resume   # only the rest'
"$pipectl" resume --output plain

say '$ cat build/report.md'
cat build/report.md
