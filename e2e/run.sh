#!/usr/bin/env bash
# Runs the suites of stock clients against target/debug (or BIN_DIR). Installs nothing; what cannot run is skipped with a
# plain word. Each runner's summary becomes one line: "NAME: N passed, N failed, N skipped".
set -uo pipefail
cd "$(dirname "$0")"
status=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT

node_suite() {
  local name=$1; shift
  node --test --test-timeout=120000 "$@" 2>&1 | tee "$log" | grep -vE '^(# Subtest|ok |  ---|  duration_ms|  \.\.\.|TAP)' || true
  local p f s
  p=$(awk '/^# pass/ { print $3 }' "$log") f=$(awk '/^# fail/ { print $3 }' "$log") s=$(awk '/^# skipped/ { print $3 }' "$log")
  [ "${f:-1}" -eq 0 ] || status=1
  echo "$name: ${p:-0} passed, ${f:-1} failed, ${s:-0} skipped"
}

python_suite() {
  .venv/bin/python -W ignore -m unittest discover -s python 2>&1 | tee "$log"
  local ran bad
  ran=$(awk '/^Ran / { print $2 }' "$log")
  bad=$(grep -cE '^(FAIL|ERROR):' "$log")
  grep -q '^OK' "$log" || { [ "$bad" -gt 0 ] || bad=1; status=1; }
  echo "python: $((${ran:-1} - bad)) passed, $bad failed, 0 skipped"
}

node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$node_major" -lt 20 ]; then
  echo "Node 20 or newer is not there: its suites are skipped"
  echo "node: 0 passed, 0 failed, 2 skipped"
elif [ -d node_modules ]; then
  node_suite node node/*.test.js
  node_suite browser browser/*.test.js
else
  echo "the Node packages are not installed (npm ci): their suites are skipped"
  echo "node: 0 passed, 0 failed, 2 skipped"
fi
if .venv/bin/python -c 'import grpc, pysignalr, signalrcore' 2>/dev/null; then
  python_suite
else
  echo "the Python packages are not installed: their suites are skipped"
  echo "python: 0 passed, 0 failed, 2 skipped"
fi
exit $status
