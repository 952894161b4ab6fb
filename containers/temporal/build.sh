#!/bin/sh
# Build the Temporal CLI from its Go module. $1: its version (vX.Y.Z), $2: the version of its cliext module.
#
# `go install` refuses a module whose go.mod has replace directives, so a wrapper module
# requires it and repeats the one replacement that matters.
set -eu
mkdir -p /src /out
cd /src
cat > go.mod <<MOD
module wrapper
go 1.26.4
require github.com/temporalio/cli $1
require github.com/temporalio/cli/cliext $2
replace github.com/temporalio/cli/cliext => github.com/temporalio/cli/cliext $2
MOD

CGO_ENABLED=0 GOFLAGS='-mod=mod -modcacherw' \
    go build -trimpath \
    -ldflags "-s -w -X github.com/temporalio/cli/internal/temporalcli.Version=${1#v}" \
    -o /out/temporal github.com/temporalio/cli/cmd/temporal
rm -rf /root/go /root/.cache
