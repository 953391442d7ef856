#!/usr/bin/env bash
# Builds and runs this example in a fresh module that requires govpn. A replace directive stands for a
# release on a module proxy.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cp "$root/examples/go/main.go" "$root/go.sum" .
go mod init example.com/consumer 2>/dev/null
go mod edit -go="$(cd "$root" && go list -m -f '{{.GoVersion}}')" \
  -require=github.com/govpn/govpn@v0.0.0 -replace="github.com/govpn/govpn=$root"
export GOFLAGS=-mod=mod GOEXPERIMENT=simd
go run . -epochs 2 -device go | tee output
grep -q 'noise classwise' output
