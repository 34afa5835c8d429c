#!/usr/bin/env bash
# Runs the suites of stock clients against the service that PRESENCE_API names (target/debug/presence-api), with test-hub
# beside it. Installs nothing; what cannot run is skipped with a plain word. Each runner's summary becomes one line:
# "NAME: N passed, N failed, N skipped".
set -uo pipefail
[ -z "${PRESENCE_API:-}" ] || PRESENCE_API=$(realpath "$PRESENCE_API")
cd "$(dirname "$0")"
status=0 log=$(mktemp)
trap 'rm -f "$log"' EXIT

# count WORD: what Node's summary says of it.
count() { awk -v word="$1" '$1 == "#" && $2 == word { print $3; found = 1 } END { if (!found) print 0 }' "$log"; }

node_suite() {
  local name=$1 bad p f; shift
  node --test --test-reporter=tap --test-timeout=120000 "$@" >"$log" 2>&1; bad=$?
  grep -vE '^ *(# Subtest|ok |---|duration_ms|type:|\.\.\.|TAP|[0-9]+\.\.[0-9]+$)|^# (suites|todo) 0$' "$log"
  # A test that runs out of time is neither passed nor failed to Node, but cancelled.
  p=$(count pass) f=$(($(count fail) + $(count cancelled)))
  # A runner that ends badly without a failure to show for it is one.
  if [ "$bad" -ne 0 ]; then status=1; [ "$f" -gt 0 ] || f=1; fi
  echo "$name: $p passed, $f failed, $(count skipped) skipped"
}

python_suite() {
  local bad=0 ran failed skipped
  .venv/bin/python -W ignore -m unittest discover -s python >"$log" 2>&1 || bad=1
  cat "$log"
  ran=$(awk '/^Ran / { print $2 }' "$log")
  failed=$(grep -cE '^(FAIL|ERROR):' "$log")
  skipped=$(sed -nE 's/^(OK|FAILED) .*skipped=([0-9]+).*/\2/p' "$log")
  if [ "$bad" -ne 0 ]; then status=1; [ "$failed" -gt 0 ] || failed=1; fi
  # What goes wrong before a class's first test is an error of no test that ran.
  ran=$((${ran:-0} - failed - ${skipped:-0}))
  echo "python: $((ran > 0 ? ran : 0)) passed, $failed failed, ${skipped:-0} skipped"
}

node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
if [ "$node_major" -lt 20 ]; then
  echo "Node 20 or newer is not there: its suites are skipped"
  echo "node: 0 passed, 0 failed, 4 skipped"
elif [ -d node_modules ]; then
  node_suite node node/*.test.js
  node_suite browser browser/*.test.js
  # Beside nodes on ASP.NET Core: the variable PEER names a script that starts one.
  node_suite cluster cluster/*.test.js
  # What Dockerfile and compose.yaml run, without an engine for containers.
  node_suite containers containers/*.test.js
else
  echo "the Node packages are not installed (npm ci): their suites are skipped"
  echo "node: 0 passed, 0 failed, 4 skipped"
fi
if [ "$node_major" -lt 20 ]; then
  echo "the Python suites need Node for their issuer: they are skipped"
  echo "python: 0 passed, 0 failed, 2 skipped"
elif .venv/bin/python -c 'import grpc, pysignalr, signalrcore' 2>/dev/null; then
  python_suite
else
  echo "the Python packages are not installed: their suites are skipped"
  echo "python: 0 passed, 0 failed, 2 skipped"
fi
exit $status
