#!/bin/sh
# Measures messages between two hosts over links of 1, 20 and 100 ms round trip, some
# of which lose frames: gridrun as it is, with one connection for everything
# (--streams 1), Open MPI and MPICH, and what bare TCP streams carry.
#
#     bench/links.sh ROUNDS [LINK...]     as root; needs iproute2, util-linux, openssh-server
#     bench/links.sh --list               the links
#
# The hosts are namespaces of this machine (internal/testnet). Delay and loss come from
# a relay in user space, which shares the processors with the ranks and carries some
# 50 MB/s: figures tell how the ways compare, not what a real link of that length gives.
# A link takes a minute or two a round; one of 100 ms that loses frames under Reno ten.
set -e
cd "$(dirname "$0")/.."

# LINK  CONGESTION-CONTROL  FLAGS OF TESTNET  --  FLAGS OF BENCH P2P
links() {
	cat <<-END
	none-reno reno -delay 0 -- --tests latency,bandwidth --sizes 8,64K,1M
	1ms bbr -delay 250us -- --no-tls --tests latency --sizes 8,64K,4M
	1ms-loss bbr -delay 250us -loss 0.0005 -- --no-tls --tests latency --sizes 8,64K,4M
	20ms bbr -delay 5ms -- --no-tls --tests latency --sizes 8,64K,4M
	20ms-loss bbr -delay 5ms -loss 0.0005 -- --no-tls --tests latency --sizes 8,64K,4M
	20ms-much-loss bbr -delay 5ms -loss 0.005 -- --no-tls --tests latency --sizes 8,64K,4M
	100ms bbr -delay 25ms -- --no-tls --tests latency --sizes 8,64K,4M
	100ms-loss bbr -delay 25ms -loss 0.0005 -- --no-tls --tests latency --sizes 8,64K,4M
	20ms-reno reno -delay 5ms -- --no-tls --tests latency --sizes 8,64K,4M
	20ms-loss-reno reno -delay 5ms -loss 0.0005 -- --no-tls --tests latency --sizes 8,64K,4M
	20ms-TLS bbr -delay 5ms -- --alone --tests latency --sizes 8,64K,4M
	END
}

case $1 in
--list)
	links
	exit
	;;
'' | -*)
	sed -n 's/^# \{0,1\}//; 2,12p' "$0"
	exit 2
	;;
esac
rounds=$1
shift

# The hosts have their own /tmp and /root; everything else they share with us.
dir=$(mktemp -d /var/cache/gridrun-bench-XXXXXX)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' INT TERM
chmod 755 "$dir"
if [ -n "$BIN" ]; then
	cp "$BIN/gridrun" "$BIN/testnet" "$BIN/stream" "$dir"
else
	CGO_ENABLED=0 go build -o "$dir" ./cmd/gridrun ./internal/testnet/cmd/testnet ./internal/testnet/cmd/stream
fi

cat >"$dir/measure" <<'EOF'
cd / # MPICH's ranks end where this directory is not there
for host in node1 node2; do
	ssh $host sysctl -qw net.ipv4.tcp_congestion_control=$CONTROL
done
ssh node2 "nohup $DIR/stream -listen :7777 >/dev/null 2>&1 &"
for n in 1 4; do
	ssh node1 $DIR/stream -to node2:7777 -for 3s -n $n
done
exec "$DIR/gridrun" bench p2p --hostfile "$TESTNET_HOSTFILE" --build-dir "$DIR" --rounds $ROUNDS --budget 0.02 "$@"
EOF

links | while read -r name control flags; do
	[ $# = 0 ] || case " $* " in *" $name "*) ;; *) continue ;; esac
	echo "== $name: $control, $flags"
	CONTROL=$control DIR=$dir ROUNDS=$rounds "$dir/testnet" -hosts 2 -slots 1 -mutual ${flags%%-- *} -- sh "$dir/measure" ${flags#*-- } </dev/null
done
