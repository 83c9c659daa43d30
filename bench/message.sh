#!/bin/sh
# Measures messages and collectives as docs/benchmarks.md shows them, beside Open
# MPI and MPICH, and draws them:
#
#     bench/message.sh DIR [ROUNDS]     DIR gets *.json, *.txt and *.png
#
# Needed are Go and, for the others' columns, their compilers. Nothing else should
# run meanwhile; it takes about a quarter of an hour. At 93 ranks MPICH needs more
# than a second for a barrier and is left out, but for two tests.
set -e
cd "$(dirname "$0")/.."
dir=${1:?which directory?} rounds=${2:-7}
mkdir -p "$dir"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
trap 'exit 1' INT TERM
CGO_ENABLED=0 go build -o "$bin" ./cmd/gridrun ./bench/plot

# measure NAME FLAGS... keeps a report.
measure() {
	name=$1
	shift
	echo "$name" >&2
	"$bin/gridrun" bench "$@" --rounds "$rounds" --json >"$dir/$name.json"
	"$bin/plot" -text "$dir/$name.json" >"$dir/$name.txt"
}

measure p2p-shm p2p --budget 0.05
measure p2p-tcp p2p --budget 0.05 --over tcp --sizes 8,1K,64K,1M
measure p2p-mem p2p --budget 0.05 --over mem --sizes 8,1K,64K,1M
for ranks in 2 8 16; do
	measure collectives-$ranks collectives -np $ranks --budget 0.03
done
measure collectives-93 collectives -np 93 --peers openmpi --budget 0.1 \
	--tests barrier,bcast,allreduce,allgather,alltoall --sizes 8,1K,64K
measure collectives-93-large collectives -np 93 --peers openmpi --budget 0.2 --tests bcast,allreduce --sizes 1M
measure collectives-93-mem collectives -np 93 --over mem --budget 0.05 --tests barrier,allreduce --sizes 8
"$bin/plot" -out "$dir" "$dir"/p2p-*.json "$dir"/collectives-*.json >/dev/null
