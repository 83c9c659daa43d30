package tally

import (
	"encoding/json"
	"strings"
	"testing"

	"gridrun/internal/engine"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

func TestText(t *testing.T) {
	var sum Tally
	for rank := range 3 {
		d := &trace.Dump{Rank: rank}
		d.Sent[engine.OpSend][trace.SameHost] = trace.Count{Messages: 2, Bytes: 1500}
		d.Sent[engine.OpBarrier][trace.OtherHost] = trace.Count{Messages: 4}
		d.Ops[engine.OpBarrier] = trace.OpCount{Calls: 2, Waits: 1, Blocked: uint64(1e6 * (rank + 1))}
		d.Longest = []trace.Wait{{Nanos: int64(1e6 * (rank + 1)), Op: uint32(engine.OpBarrier), Peer: 1, Tag: -1}}
		d.Reads = trace.Reads{Reads: 1, Hits: 2, Missed: 1, Asked: 4e6}
		r := Rank{Rank: rank, Dump: d}
		if rank == 2 {
			r.Waits = []wire.Wait{{Rank: 2, Op: "Recv", Peer: -1, Tag: 5, Since: 3e9}, {Rank: 1, Op: "Recv", Since: 9e9}}
		}
		sum.Add(r)
		sum.Process(Process{Ranks: []int{rank}, CPU: int64(rank) * 1e9, RSS: 5e6})
	}
	sum.Add(Rank{Rank: 3})
	text := sum.Text()
	for _, want := range []string{
		"  the program's             0       0 B          6    4.5 kB          0       0 B\n",
		"  of collectives            0       0 B          0       0 B         12       0 B\n",
		"  Recv                     -         -         -         -         1       3 s       3 s rank 2\n",
		"  Barrier                  6         -        12       0 B         3      6 ms      3 ms rank 2\n",
		"        3 s  rank 2 in Recv, tag 5, which never returned\n       3 ms  rank 2 in Barrier for rank 1\n",
		"array reads: 3 of 12 MB; blocks: 6 there, 0 on another host, 0 on their way, 3 from storage; 0 B came from other hosts\n",
		"processes: 3; CPU time 3 s, the most 2 s (rank 2); peak memory 15 MB, the most 5 MB (rank 0)\n",
		"nothing counted by rank 3: not a program",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if len(line) > 130 {
			t.Errorf("a long line: %s", line)
		}
	}
	b, err := sum.JSON()
	var back Tally
	if err != nil || json.Unmarshal(b, &back) != nil || back.Text() != text {
		t.Errorf("%v: %s", err, b)
	}
}

func TestLongestAreKept(t *testing.T) {
	var sum Tally
	for i := range 100 {
		d := &trace.Dump{}
		d.Longest = []trace.Wait{{Nanos: int64(i * 37 % 100), Peer: -1, Tag: -1}}
		sum.Add(Rank{Rank: i, Dump: d})
	}
	if len(sum.Longest) != keep || sum.Longest[0].Nanos != 99 || sum.Longest[keep-1].Nanos != 100-keep {
		t.Errorf("%+v", sum.Longest)
	}
}

func TestUnits(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 12345: "12.3 kB", 999_499: "999 kB", 999_500: "1 MB", 5e18: "5 EB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 us", 1500: "1.5 us", 2_340_000: "2.34 ms", 5e9: "5 s", 61e9: "1m1s"} {
		if got := duration(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
