#!/bin/sh
# Measures messages and collectives as docs/benchmarks.md shows them, beside Open
# MPI and MPICH, and draws them:
#
#     bench/message.sh DIR                    every step 7 times (5 at 93 ranks), then draw
#     bench/message.sh DIR --rounds N         every step N times
#     bench/message.sh DIR --only STEP        one step once; again: a further round
#     bench/message.sh DIR --draw             merge what there is, and draw it
#     bench/message.sh --list                 the steps
#
# DIR gets STEP.ROUND.json of each step, the reports that they make together (*.json
# and *.txt), and pictures. --draw also puts those that the docs show into docs/img.
#
# Needed are Go and, for the others' columns, their compilers; BIN=DIRECTORY names
# built programs gridrun and plot, which then are not built. Nothing else should run
# meanwhile. No step takes more than 20 s; all of them, 7 times, take two hours. With
# more ranks than cores MPICH needs up to a second for a barrier: it takes part with
# 8 and 16 ranks in the cases that have an aim, once, and with 93 not at all.
set -e
cd "$(dirname "$0")/.."

# REPORT  NAME  FLAGS: a step is REPORT.NAME; steps of one report are merged.
steps() {
	cat <<-END
	p2p-shm latency p2p --budget 0.05 --tests latency
	p2p-shm bandwidth p2p --budget 0.05 --tests bandwidth
	p2p-shm bidirectional p2p --budget 0.05 --tests bidirectional
	p2p-shm rate p2p --budget 0.05 --tests rate
	p2p-tcp latency p2p --budget 0.05 --over tcp --tests latency
	p2p-tcp bandwidth p2p --budget 0.05 --over tcp --tests bandwidth
	p2p-tcp bidirectional p2p --budget 0.05 --over tcp --tests bidirectional
	p2p-tcp rate p2p --budget 0.05 --over tcp --tests rate
	p2p-mem all p2p --budget 0.05 --over mem --sizes 8,1K,64K,1M
	END
	for ranks in 2 8 16; do
		peers=openmpi
		[ $ranks != 2 ] || peers=openmpi,mpich
		flags="collectives -np $ranks --budget 0.03 --peers $peers"
		echo "collectives-$ranks all $flags --tests barrier,allreduce,allgather,alltoall"
		echo "collectives-$ranks fold $flags --tests reduce,reducescatter,scan"
		echo "collectives-$ranks root $flags --tests bcast,gather,scatter"
	done
	cat <<-END
	mpich-8 small collectives -np 8 --budget 0.01 --peers mpich --tests barrier,allreduce --sizes 8
	mpich-8 large collectives -np 8 --budget 0.01 --peers mpich --tests allreduce --sizes 1M
	mpich-8 allgather collectives -np 8 --budget 0.01 --peers mpich --tests allgather --sizes 1K
	mpich-16 small collectives -np 16 --budget 0.01 --peers mpich --tests barrier,allreduce --sizes 8
	mpich-16 bcast collectives -np 16 --budget 0.01 --peers mpich --tests bcast --sizes 1M
	mpich-16 alltoall collectives -np 16 --budget 0.01 --peers mpich --tests alltoall --sizes 1K
	collectives-93 barrier collectives -np 93 --peers openmpi --budget 0.1 --tests barrier
	collectives-93 allreduce collectives -np 93 --peers openmpi --budget 0.1 --tests allreduce --sizes 8,1K,64K
	collectives-93 allreduce-1M collectives -np 93 --peers openmpi --budget 0.2 --tests allreduce --sizes 1M
	collectives-93 bcast collectives -np 93 --peers openmpi --budget 0.1 --tests bcast --sizes 8,1K,64K
	collectives-93 bcast-1M collectives -np 93 --peers openmpi --budget 0.2 --tests bcast --sizes 1M
	collectives-93 allgather collectives -np 93 --peers openmpi --budget 0.05 --tests allgather --sizes 8,1K
	collectives-93 alltoall collectives -np 93 --peers openmpi --budget 0.05 --tests alltoall --sizes 8,1K
	collectives-93-mem all collectives -np 93 --over mem --budget 0.05 --tests barrier,allreduce --sizes 8,1K,64K
	END
}

# The pictures that docs/benchmarks.md shows.
shown=latency-shm-2,bandwidth-shm-2,latency-tcp-2,bandwidth-tcp-2
shown=$shown,allreduce-shm-2,allreduce-shm-8,allreduce-shm-16,allreduce-shm-93
shown=$shown,bcast-shm-16,bcast-shm-93,allgather-shm-16,alltoall-shm-16

if [ "$1" = --list ]; then
	steps | while read -r report name flags; do echo "$report.$name"; done
	exit
fi
dir=${1:?which directory?}
shift
rounds= only= draw=
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?how many rounds?}; shift ;;
	--only) only=${2:?which step? --list names them}; shift ;;
	--draw) draw=yes ;;
	*) echo "bench/message.sh: $1? its first lines say what there is" >&2; exit 2 ;;
	esac
	shift
done
mkdir -p "$dir"
if [ -z "$BIN" ]; then
	BIN=$(mktemp -d)
	trap 'rm -rf "$BIN"' EXIT
	trap 'exit 1' INT TERM
	CGO_ENABLED=0 go build -o "$BIN" ./cmd/gridrun ./bench/plot
fi

# measure REPORT NAME FLAGS... adds a round of a step.
measure() {
	step=$1.$2
	shift 2
	round=1
	while [ -e "$dir/$step.$round.json" ]; do round=$((round + 1)); done
	echo "$step, round $round" >&2
	"$BIN/gridrun" bench "$@" --rounds 1 --limit 18 --json >"$dir/$step.tmp" </dev/null
	mv "$dir/$step.tmp" "$dir/$step.$round.json"
}

draw() {
	for report in $(steps | cut -d' ' -f1 | sort -u); do
		set -- "$dir/$report".*.*.json
		[ -e "$1" ] || continue
		"$BIN/plot" -merge "$@" >"$dir/$report.json"
		"$BIN/plot" -text "$dir/$report.json" >"$dir/$report.txt"
		"$BIN/plot" -out "$dir" "$dir/$report.json" >/dev/null
		mkdir -p docs/img
		"$BIN/plot" -out docs/img -only "$shown" "$dir/$report.json" >/dev/null
	done
}

if [ -n "$only" ]; then
	steps | while read -r report name flags; do
		[ "$report.$name" != "$only" ] || measure "$report" "$name" $flags
	done
	steps | grep -q "^$(echo "$only" | sed 's/\./ /') " || { echo "bench/message.sh: no step $only; --list names them" >&2; exit 2; }
elif [ -z "$draw" ]; then
	round=0
	while [ $round -lt "${rounds:-7}" ]; do
		round=$((round + 1))
		steps | while read -r report name flags; do
			case $report:$round in
			mpich-*:1) ;;
			mpich-*) continue ;;
			collectives-93*:[67]) [ -n "$rounds" ] || continue ;;
			esac
			measure "$report" "$name" $flags
		done
	done
	draw=yes
fi
[ -z "$draw" ] || draw
