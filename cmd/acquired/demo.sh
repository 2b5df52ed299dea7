#!/bin/sh
# A node, some accounts, a transfer, a log charged, who may do what. Nothing is
# left behind.
set -eu
acquired=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
log=$(cd "$(dirname "$0")" && pwd)/swf/testdata/small.swf
docs=$(cd "$(dirname "$0")/../../docs" && pwd)
dir=$(mktemp -d)
ACQUIRED_HOME=$dir/home
export ACQUIRED_HOME
unset ACQUIRED_CONTEXT || true
"$acquired" agent --dev --base-port "${BASE_PORT:-7400}" 2>"$dir/agent.log" >&2 &
agent=$!
trap 'kill $agent 2>/dev/null || true; wait $agent 2>/dev/null || true; rm -rf "$dir"' EXIT
tries=0
until "$acquired" cluster status --timeout 2s >"$dir/status" 2>/dev/null; do
	tries=$((tries + 1))
	kill -0 $agent 2>/dev/null && [ $tries -lt 100 ] || { cat "$dir/agent.log"; exit 1; }
	sleep 0.1
done
say() {
	echo
	echo "\$ acquired $*"
	"$acquired" "$@"
}
cat "$dir/status"
say ledger create-asset USD --scale 2
say ledger open-account /account/bank --asset USD --overdraft unlimited
say ledger open-account /account/physics --asset USD
say ledger transfer /account/bank /account/physics 100.00 --id welcome
say ledger balance /account/physics
say ledger import-swf "$log" --asset USD --price 0.05 --per core-hour --from /account/machine --to /account/centre
say ledger statement /account/machine/user-1 --limit 5
say ledger trial-balance
say acl load "$docs/sample-universe.yaml" --replace --demo
say --as /user/biology/tomas acl ls /data -r
say --as /user/physics/paul acl ls /data -r
say acl explain Read /data/biology/patients --principal /user/biology/tomas
say acl who-can Spend /account/physics
say acl test "$docs/sample-assertions.txt"
