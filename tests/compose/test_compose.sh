#!/usr/bin/env bash
# Bring compose.yaml up with a real engine, chat through it, and take it down again.
set -euo pipefail
cd "$(dirname "$0")/../.."
compose() { docker compose --project-name trunkline-test --file compose.yaml --file tests/compose/sandbox.yaml "$@"; }
scratch="$(mktemp -d)"
finish() {
  code=$?
  if [ "$code" != 0 ]; then compose logs --tail 50 || true; fi
  compose down --volumes --timeout 5 || true
  rm -rf "$scratch"
  exit "$code"
}
trap finish EXIT

compose up --build --wait --detach
compose cp credential:/etc/trunkline/admin-token "$scratch/admin-token"
compose cp inference:/pki/ca.pem "$scratch/ca.pem"
export TRUNKLINE_TOKEN TRUNKLINE_CA_FILE="$scratch/ca.pem"
TRUNKLINE_TOKEN="$(cat "$scratch/admin-token")"
export TRUNKLINE_ADDRESS=inference=localhost:50051,credential=localhost:50052,catalog=localhost:50053,health=localhost:50054

.venv/bin/trunkline connect sandbox --base-url http://provider.local:8080/v1 <<< "sandbox-key"
.venv/bin/trunkline chat --model sandbox/ok Hello | tee "$scratch/answer"
grep -q "The line is open" "$scratch/answer"
compose kill --signal SIGKILL health
.venv/bin/trunkline chat --model sandbox/ok Hello | grep -q "The line is open"
echo "compose.yaml works: four services, PostgreSQL, mutual TLS, a chat, and one without health."
