#!/bin/sh
# Build Ryuk from its Go module. $1: its version.
set -eu
mkdir -p /src /out
cd /src
cat > go.mod <<MOD
module wrapper
go 1.23
require github.com/testcontainers/moby-ryuk $1
MOD

CGO_ENABLED=0 GOFLAGS='-mod=mod -modcacherw' \
    go build -trimpath -ldflags '-s -w' -o /out/ryuk github.com/testcontainers/moby-ryuk
rm -rf /root/go /root/.cache
