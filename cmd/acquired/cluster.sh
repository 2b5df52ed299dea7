#!/bin/sh
# Three agents on loopback, until ctrl-C. The files stay in ./cluster.
set -eu
acquired=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dir=$PWD/cluster
[ -d "$dir" ] || "$acquired" cluster init "$dir" --nodes 3
agents=
trap 'kill $agents 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM
for node in node1 node2 node3; do
	"$acquired" agent --config "$dir/$node/agent.yaml" &
	agents="$agents $!"
done
echo
echo "in another terminal:"
echo "  export ACQUIRED_CONTEXT=$dir/operator.context"
echo "  bin/acquired cluster status"
echo "  bin/acquired acl load $dir/universe.yaml"
echo
wait
