package diagnose

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gridrun/internal/wire"
)

// A builder makes a job of ranks that compute.
type builder struct{ Job }

func ranks(n int) *builder {
	b := &builder{Job{Hosts: []string{"node1"}}}
	for r := range n {
		b.Procs = append(b.Procs, Proc{Ranks: []int{r}, Pid: 100 + r, Phase: Running, State: &wire.ProcState{State: "R", Load: 97}})
	}
	return b
}

func (b *builder) wait(w wire.Wait) *builder {
	w.Since = int64(5 * time.Second)
	if w.Seq > 0 && w.Members == 0 {
		w.Members = len(b.Procs)
	}
	b.Waits = append(b.Waits, Wait{w, true})
	b.Procs[w.Rank].State = &wire.ProcState{State: "S"}
	return b
}

func (b *builder) p2p(rank int, op string, peer int, tag int32) *builder {
	return b.wait(wire.Wait{Rank: rank, Op: op, Peer: peer, Tag: tag, Root: -1, Count: -1})
}

// in is a collective call #seq of the world, blocked by peer.
func (b *builder) in(rank int, op string, seq uint32, peer int) *builder {
	return b.wait(wire.Wait{Rank: rank, Op: op, Peer: peer, Tag: -1, Seq: seq, Root: -1, Count: -1})
}

func (b *builder) call(rank, root int, count int64, elem uint32) *builder {
	return b.wait(wire.Wait{Rank: rank, Op: "Bcast", Peer: -1, Tag: -1, Seq: 4, Root: root, Count: count, Elem: elem})
}

func (b *builder) state(rank int, s wire.ProcState) *builder { b.Procs[rank].State = &s; return b }

func (b *builder) ended(rank int, how string) *builder {
	b.Procs[rank].Phase, b.Procs[rank].How, b.Procs[rank].State = Ended, how, nil
	return b
}

func (b *builder) got(u wire.Unmatched) *builder {
	b.Procs[u.Rank].Unmatched = append(b.Procs[u.Rank].Unmatched, u)
	return b
}

func (b *builder) stack(rank int, text string) *builder {
	b.Procs[rank].Stacks = []byte(text)
	return b
}

const spinning = "goroutine 7 [runnable]:\nmain.spin(0x1)\n\t/src/spin.go:12 +0x1\ngridrun/rt.call(0x1)\n\t/src/run.go:3 +0x1\n"

// Each situation has one verdict, and what else is found.
func TestFindings(t *testing.T) {
	many := ranks(93)
	for r := range 93 {
		many.p2p(r, "SSend", (r+1)%93, 5)
	}
	for _, c := range []struct {
		name string
		job  *builder
		want []string
	}{
		{"ring", ranks(3).p2p(0, "SSend", 1, 5).p2p(1, "SSend", 2, 5).p2p(2, "SSend", 0, 5),
			[]string{"ranks 0 -> 1 -> 2 -> 0 wait for each other: SSend, tag 5"}},
		{"ring of 93", many,
			[]string{"ranks 0 -> 1 -> 2 -> 3 -> ... -> 91 -> 92 -> 0 wait for each other: SSend, tag 5"}},
		{"head on, with one who waits for them", ranks(3).p2p(0, "Recv", 1, 3).p2p(1, "Recv", 0, 4).p2p(2, "Recv", 0, 5),
			[]string{"ranks 0 -> 1 -> 0 wait for each other: Recv, tag 3 (rank 0); Recv, tag 4 (rank 1)"}},
		{"two circles", ranks(4).p2p(0, "Recv", 1, 3).p2p(1, "Recv", 0, 3).p2p(2, "Recv", 3, 3).p2p(3, "Recv", 2, 3),
			[]string{"ranks 0 -> 1 -> 0 wait for each other: Recv, tag 3", "ranks 2 -> 3 -> 2 wait for each other: Recv, tag 3"}},
		{"itself", ranks(2).p2p(1, "SSend", 1, 3).ended(0, ""),
			[]string{"rank 1 waits for itself: SSend, tag 3"}},
		{"any rank", ranks(2).p2p(0, "Recv", -1, 3).p2p(1, "Recv", -1, 3),
			[]string{"ranks 0-1 wait for each other: Recv from any rank, tag 3"}},
		{"any rank, and all others have ended", ranks(3).p2p(0, "Recv", -1, 3).ended(1, "").ended(2, ""),
			[]string{"nobody is left who could send to rank 0 (Recv from any rank, tag 3)"}},
		{"any rank, and one computes", ranks(2).p2p(0, "Recv", -1, 3),
			[]string{"rank 0: Recv from any rank, tag 3"}},
		{"another goroutine of a rank can go on", ranks(2).p2p(0, "Recv", 1, 3).p2p(0, "Recv", -1, 4).p2p(1, "Recv", 0, 3).wait(wire.Wait{Rank: 1, Op: "lram.Read", Peer: -1, Tag: -1}),
			[]string{"ranks 0-1: Recv, tag 3 (ranks 0-1); Recv from any rank, tag 4 (rank 0); lram.Read (rank 1)"}},
		{"mismatched collective", ranks(8).in(0, "AllReduce", 17, 5).in(1, "AllReduce", 17, 0).in(2, "AllReduce", 17, 0).in(3, "AllReduce", 17, 0).in(4, "AllReduce", 17, 0).
			in(5, "Barrier", 17, 6).in(6, "Barrier", 17, 7).in(7, "Barrier", 17, 5),
			[]string{"AllReduce #17 on world waits for ranks 5-7, which are in Barrier #17"}},
		{"roots", ranks(4).call(0, 0, 8, 1).call(1, 0, 8, 1).call(2, 0, 8, 1).call(3, 1, 8, 1),
			[]string{"Bcast #4 on world: ranks 0-2 name root 0, rank 3 names root 1"}},
		{"counts", ranks(4).call(0, 0, 8, 1).call(1, 0, 8, 1).call(2, 0, 9, 2).call(3, 0, 8, 1),
			[]string{"Bcast #4 on world: ranks 0-1,3 bring 8 elements, rank 2 brings 9 elements"}},
		{"types", ranks(4).call(0, 0, 8, 1).call(1, 0, 8, 1).call(2, 0, 8, 2).call(3, 0, 8, 1),
			[]string{"Bcast #4 on world: ranks 0-1,3 and rank 2 bring other element types, lengths or options"}},
		{"an unfinished one", ranks(2).in(0, "Barrier", 3, 1).in(1, "Barrier", 3, 0),
			[]string{"ranks 0-1 are all in Barrier #3 on world and agree about it; it has not come to its end"}},
		{"a collective without a rank that spins", ranks(4).in(0, "Barrier", 3, 1).in(1, "Barrier", 3, 2).in(3, "Barrier", 3, 1).stack(2, spinning),
			[]string{"ranks 0-1,3 wait in Barrier #3 on world for rank 2, which computes, 97 % of a CPU, at main.spin (spin.go:12)"}},
		{"shared memory names nobody", ranks(4).in(0, "Barrier", 3, -1).in(1, "Barrier", 3, -1).in(2, "Barrier", 4, -1),
			[]string{"ranks 0-2 wait for rank 3, which computes, 97 % of a CPU"}},
		{"through others", ranks(3).p2p(0, "Recv", 1, 3).p2p(1, "Recv", 2, 3).state(2, wire.ProcState{State: "S", Call: "openat", File: "/data/x"}),
			[]string{"ranks 0-1 wait in Recv, tag 3, for rank 2, which is in openat of /data/x"}},
		{"disk", ranks(2).in(0, "Barrier", 3, 1).state(1, wire.ProcState{State: "D", Call: "read", File: "/nfs/x"}),
			[]string{"rank 0 waits in Barrier #3 on world for rank 1, which is in read of /nfs/x, for a device or file system (state D)"}},
		{"stopped", ranks(2).in(0, "Barrier", 3, 1).state(1, wire.ProcState{State: "T"}),
			[]string{"rank 0 waits in Barrier #3 on world for rank 1, which is stopped by a signal (kill -CONT lets it go on)"}},
		{"ended", ranks(3).in(0, "Barrier", 3, 1).ended(1, "").in(2, "Barrier", 3, 1),
			[]string{"ranks 0,2 wait in Barrier #3 on world for rank 1, which has ended"}},
		{"failed", ranks(2).p2p(0, "Recv", 1, 7).ended(1, "exited with code 3"),
			[]string{"rank 0 waits in Recv, tag 7, for rank 1, which has ended: exited with code 3"}},
		{"not started", func() *builder { b := ranks(2).p2p(0, "Recv", 1, 7); b.Procs[1].Phase = NotStarted; return b }(),
			[]string{"rank 0 waits in Recv, tag 7, for rank 1, which has not started yet"}},
		{"another tag", ranks(2).p2p(0, "Recv", 1, 8).p2p(1, "Recv", 0, 7).got(wire.Unmatched{Rank: 1, Src: 0, Tag: 6, Bytes: 8}),
			[]string{"rank 1 waits for a message with tag 7 of rank 0, whose message with tag 6 (8 bytes) nobody receives",
				"ranks 0 -> 1 -> 0 wait for each other: Recv, tag 8 (rank 0); Recv, tag 7 (rank 1)"}},
		{"another sender", ranks(3).p2p(1, "Recv", 0, 7).got(wire.Unmatched{Rank: 1, Src: 2, Tag: 7, Bytes: 8}).ended(0, "").ended(2, ""),
			[]string{"rank 1 waits for a message with tag 7 of rank 0; the one that has come (8 bytes) is of rank 2",
				"rank 1 waits in Recv, tag 7, for rank 0, which has ended"}},
		{"another tag, but the sender still computes", ranks(2).p2p(1, "Recv", 0, 7).got(wire.Unmatched{Rank: 1, Src: 0, Tag: 6}),
			[]string{"rank 1 waits in Recv, tag 7, for rank 0, which computes, 97 % of a CPU"}},
		{"nobody waits", ranks(3).state(2, wire.ProcState{State: "S", Call: "clock_nanosleep"}),
			[]string{"no rank waits for another: ranks 0-1 compute, 97 % of a CPU; rank 2 sleeps in clock_nanosleep"}},
		{"all have ended", ranks(2).ended(0, "").ended(1, ""), []string{"all ranks have ended"}},
		{"none", ranks(0), []string{"all ranks have ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, f := range Findings(c.job.Job) {
				got = append(got, f.Text)
			}
			if fmt.Sprint(got) != fmt.Sprint(c.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
		})
	}
}

// Waits that did not outlast the look are no circle.
func TestMoving(t *testing.T) {
	b := ranks(2).p2p(0, "Recv", 1, 3).p2p(1, "Recv", 0, 3)
	b.Waits[1].Lasts = false
	if got, want := Findings(b.Job)[0].Text, "rank 0 waits in Recv, tag 3, for rank 1, which is moving: no wait lasts"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGroupsHaveNames(t *testing.T) {
	b := ranks(4)
	for r := range 3 {
		b.wait(wire.Wait{Rank: r, Op: "Barrier", Peer: 3, Tag: -1, Seq: 2, Group: 0xfeed + uint64(r%2), Root: -1, Count: -1, Members: 2 + r%2})
	}
	text := Text(b.Job, false)
	for _, want := range []string{"Barrier #2 on group A (2 ranks)", "Barrier #2 on group B (3 ranks)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	for n, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 53: "BB"} {
		if letters(n) != want {
			t.Errorf("letters(%d) = %s, want %s", n, letters(n), want)
		}
	}
}

func TestText(t *testing.T) {
	b := ranks(4).in(0, "Barrier", 3, 2).in(1, "Barrier", 3, 2).stack(2, spinning).ended(3, "")
	b.Hosts = []string{"node1", "node2"}
	b.Procs[1].Host, b.Procs[3].Host = 1, 1
	waiting := "goroutine 1 [select, 3 minutes]:\ngridrun/internal/engine.await(0x1)\n\t/e.go:1\ngridrun/collectives.Barrier({0x1, 0x2})\n\t/c.go:1 +0x1\nmain.step(0x7)\n\t/src/step.go:%d +0x1\n\ngoroutine 2 [IO wait]:\ngridrun/rt.(*agentLink).listen(0x1)\n\t/a.go:1\n"
	b.stack(0, fmt.Sprintf(waiting, 9)).stack(1, fmt.Sprintf(waiting, 9))
	b.Procs[1].State.Mute = "ignored: there are stacks"
	want := `ranks 0-1 wait in Barrier #3 on world for rank 2, which computes, 97 % of a CPU, at main.spin (spin.go:12)
  ranks 0-1  node[1-2]  Barrier #3 on world, for 5s; rank 2 missing
  rank 2     node1      computes, 97 % of a CPU, at main.spin (spin.go:12)
  rank 3     node2      has ended
Go stacks of ranks 0-2:
  rank 2 [runs]
      main.spin                        spin.go:12
  ranks 0-1 [waits for 3m]
      collectives.Barrier
      main.step                        step.go:9
  not shown: 2 goroutines of gridrun and Go's runtime on ranks 0-1
`
	if got := Text(b.Job, false); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// However many ranks there are, and all different, the text has an end; with all
// set nothing is missing.
func TestTextIsBounded(t *testing.T) {
	b := ranks(93)
	for r := range 93 {
		b.p2p(r, "Recv", (r*7+3)%93, int32(r)).stack(r, strings.Repeat(fmt.Sprintf("goroutine 1 [select]:\nmain.f%d()\n\t/x.go:1\n", r)+strings.Repeat("main.g()\n\t/y.go:2\n", 40), 3))
	}
	if n := strings.Count(Text(b.Job, false), "\n"); n > 250 {
		t.Errorf("%d lines", n)
	}
	text := Text(b.Job, true)
	for r := range 93 {
		if !strings.Contains(text, fmt.Sprintf("main.f%d ", r)) {
			t.Fatalf("rank %d is missing", r)
		}
	}
}

// Whatever agents report, there is a verdict in one line.
func TestAnything(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 9))
	ops := []string{"Send", "Recv", "Barrier", "AllReduce", "Wait", "lram.Read", "SendRecv", ""}
	for range 3000 {
		b := ranks(rnd.IntN(6))
		for i := range b.Procs {
			p := &b.Procs[i]
			p.Phase, p.Host = Phase(rnd.IntN(3)), rnd.IntN(3)-1
			p.State = []*wire.ProcState{nil, {}, {State: "D"}, {State: "S", Call: "read", Mute: "mute"}, {State: "T"}, {State: "R", File: "x", Call: "y"}}[rnd.IntN(6)]
			p.Ranks = []int{rnd.IntN(8) - 1}
			p.Unmatched = []wire.Unmatched{{Rank: rnd.IntN(8) - 1, Src: rnd.IntN(8) - 1, Tag: int32(rnd.IntN(3))}}
			p.Stacks = []byte(spinning[:rnd.IntN(len(spinning))])
		}
		for range rnd.IntN(8) {
			w := wire.Wait{Rank: rnd.IntN(9) - 1, Op: ops[rnd.IntN(len(ops))], Peer: rnd.IntN(9) - 1, Tag: int32(rnd.IntN(3) - 1), Seq: uint32(rnd.IntN(3)), Group: uint64(rnd.IntN(2)), Root: rnd.IntN(3) - 1, Members: rnd.IntN(4)}
			b.Waits = append(b.Waits, Wait{w, rnd.IntN(4) > 0})
		}
		text := Text(b.Job, rnd.IntN(2) == 0)
		if first, _, ok := strings.Cut(text, "\n"); !ok || first == "" {
			t.Fatalf("no verdict: %q of %+v", text, b.Job)
		}
	}
}
