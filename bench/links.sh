#!/bin/sh
# Measures messages between two hosts over a short link, a long one, and long ones that
# lose frames, under the congestion controls named: gridrun as it is, with one
# connection for everything (--streams 1), and encrypted, and what bare TCP streams carry.
#
#     bench/links.sh [ROUNDS]     as root; needs iproute2, util-linux, openssh-server
#
# The hosts are namespaces of this machine (internal/testnet). Delay and loss come from
# a relay in user space, which shares the processors with the ranks and carries some
# 50 MB/s: figures tell how the ways compare, not what a real link of that length gives.
set -e
cd "$(dirname "$0")/.."
rounds=${1:-3}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
trap 'exit 1' INT TERM
CGO_ENABLED=0 go build -o "$bin" ./cmd/gridrun ./internal/testnet/cmd/testnet ./internal/testnet/cmd/stream

cat >"$bin/measure" <<'EOF'
for host in node1 node2; do
	ssh -F "$GRIDRUN_SSH_CONFIG" $host sysctl -qw net.ipv4.tcp_congestion_control=$CONTROL
done
for host in node1 node2; do # their /tmp is their own
	ssh -F "$GRIDRUN_SSH_CONFIG" $host 'cat >/tmp/stream; chmod +x /tmp/stream' <"$BIN/stream"
done
ssh -F "$GRIDRUN_SSH_CONFIG" node2 'nohup /tmp/stream -listen :7777 >/dev/null 2>&1 &'
for n in 1 4; do
	ssh -F "$GRIDRUN_SSH_CONFIG" node1 /tmp/stream -to node2:7777 -n $n
done
exec "$BIN/gridrun" bench p2p --hostfile "$TESTNET_HOSTFILE" --rounds $ROUNDS --budget 0.02 "$@" 2>/dev/null
EOF

# link CONTROL TESTNET-FLAGS -- BENCH-FLAGS
link() {
	control=$1 flags=
	shift
	while [ "$1" != -- ]; do
		flags="$flags $1"
		shift
	done
	shift
	echo "== $control,$flags"
	CONTROL=$control BIN=$bin ROUNDS=$rounds "$bin/testnet" -hosts 2 $flags -- sh "$bin/measure" "$@"
}

small="--tests latency,bandwidth --sizes 8,64K,1M"
long="--tests latency --sizes 8,64K,4M"
link reno -delay 0 -- $small
for control in reno bbr; do
	link $control -delay 5ms -- $long
	link $control -delay 5ms -loss 0.0005 -- $long
done
link bbr -delay 5ms -loss 0.005 -- $long
