#!/usr/bin/env bash
# Drives the real page in a headless browser, and asks the API what its description allows.
# Installs what that needs where it can; where it cannot, it says so and ends well: a machine
# without a browser or a network is no failure of the code.
# Usage: tests/web/browser.sh VENV/bin
set -euo pipefail
cd "$(dirname "$0")/../.."
bin=$1
axe=$(dirname "$bin")/axe-core

skip() { echo "test-web: not run: $1"; exit 0; }
browser() {
  command -v chromedriver >/dev/null &&
    { command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null
}

if ! browser && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "test-web: installing chromium and its driver"
  { timeout 120 apt-get -qq update &&
    timeout 300 apt-get -qq install --yes --no-install-recommends chromium chromium-driver; } \
    >/dev/null 2>&1 </dev/null || true
fi
browser || skip "no chromium with chromedriver (Debian: apt-get install chromium chromium-driver)"

if ! "$bin/python" -c "import selenium, schemathesis" 2>/dev/null; then
  timeout 300 "$bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable ".[train,test,test-web]" ||
    skip 'selenium and schemathesis cannot be installed (pip install ".[test-web]")'
fi

# axe-core finds what a screen reader cannot read; without it that one test is skipped.
if [ ! -f "$axe/package/axe.min.js" ] && command -v npm >/dev/null; then
  mkdir -p "$axe"
  (cd "$axe" && timeout 60 npm pack --silent axe-core@4.14.1 && tar -xzf axe-core-4.14.1.tgz) \
    >/dev/null 2>&1 || echo "test-web: axe-core cannot be fetched: its test is skipped"
fi

export SPECTYPE_BROWSER=1 SPECTYPE_AXE=$axe/package/axe.min.js OMP_NUM_THREADS=1
exec "$bin/python" -m pytest tests/web/test_browser.py tests/web/test_schema.py
