#!/bin/sh
# Measures all starts that docs/benchmarks.md shows, on this machine and on small
# clusters made of namespaces, and prints them:
#
#     bench/launch.sh [ROUNDS] >report.txt
#
# Needed are root, Go, Open MPI and MPICH with their compilers, and what
# internal/testnet needs. Nothing else should run meanwhile.
set -e
cd "$(dirname "$0")/.."
rounds=${1:-5}
# The hosts have their own /tmp and /root; everything else they share with us.
dir=$(mktemp -d /var/cache/gridrun-bench-XXXXXX)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$dir"
CGO_ENABLED=0 go build -o "$dir" ./cmd/gridrun ./internal/testnet/cmd/testnet

# launch HOSTS SLOTS FLAGS... measures on namespaced hosts; 0: on this machine.
launch() {
	hosts=$1 slots=$2
	shift 2
	set -- "$dir/gridrun" bench launch --rounds "$rounds" --build-dir "$dir" "$@"
	if [ "$hosts" = 0 ]; then
		"$@"
	else
		"$dir/testnet" -hosts "$hosts" -slots "$slots" -mutual -- sh -c 'exec "$@" --hostfile "$TESTNET_HOSTFILE"' sh "$@"
	fi
	echo
}

launch 0 0
launch 0 0 --limit 10 --program /bin/true
launch 0 0 --memory
for program in "" /bin/true; do
	launch 4 24 --phases --program "$program"
	launch 16 6 --phases --program "$program"
done
