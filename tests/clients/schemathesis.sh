#!/usr/bin/env bash
# Lets Schemathesis try everything that a running server's /openapi.json promises.
#
#   tests/clients/schemathesis.sh --url http://127.0.0.1:8000 [--api-key KEY] [-- ARGUMENTS]
#
# ARGUMENTS go to `schemathesis run`: `-- -n 1000` tries 1000 requests of each operation. SCHEMATHESIS
# names the program where it is not in PATH. Exit status: 77 where it is missing, else its own.
set -euo pipefail

usage() {
  echo "usage: $0 --url URL [--api-key KEY] [-- ARGUMENTS OF schemathesis run]" >&2
  exit 2
}

url=""
api_key=""
while [ $# -gt 0 ]; do
  case "$1" in
    --url) url="${2:-}" && shift 2 ;;
    --api-key) api_key="${2:-}" && shift 2 ;;
    --) shift && break ;;
    *) usage ;;
  esac
done
[ -n "$url" ] || usage

program="${SCHEMATHESIS:-schemathesis}"
if ! command -v "$program" > /dev/null; then
  echo "SKIPPED: $program is not installed (pip install schemathesis)" >&2
  exit 77
fi

support="$(cd "$(dirname "$0")" && pwd)/support"
options=(--checks all --phases examples,coverage,fuzzing,stateful --no-color)
if [ -n "$api_key" ]; then
  options+=(--header "Authorization: Bearer $api_key")
else
  # The document describes a server with keys; one without lets everybody in.
  options+=(--exclude-checks ignored_auth)
fi
cd "$(mktemp -d)"  # it keeps its examples where it is started
SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$support" PYTHONDONTWRITEBYTECODE=1 \
  exec "$program" --config-file "$support/schemathesis.toml" run "${url%/}/openapi.json" "${options[@]}" "$@"
