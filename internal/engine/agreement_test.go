package engine

import (
	"context"
	"errors"
	"testing"

	"gridrun/internal/engine/agree"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A postbox is a network that keeps what is posted.
type postbox struct {
	void
	posted *[]transport.Frame
}

func (b postbox) Link(p int) transport.Link { return b }

func (b postbox) Post(f *transport.Frame) {
	*b.posted = append(*b.posted, *f)
	b.void.Post(f)
}

// alone is a process with one rank of four, the other three a test plays.
func alone(t *testing.T) (c *Comm, say func(from int, number uint32, m agree.Message), heard func() []transport.Frame) {
	t.Helper()
	p := NewProc(Config{Topology: topology(0, 1, 2, 3), Proc: 1, Ranks: []int{1}, Continue: true})
	var posted []transport.Frame
	p.Use(postbox{void{p}, &posted}, []int{0, 2, 3})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	c = p.Rank(1).World()
	say = func(from int, number uint32, m agree.Message) {
		if m.Dead == nil {
			m.Dead = agree.NewSet(4)
		}
		if m.Kind != agree.Vote {
			m.Accepted = -1
		}
		body := m.Encode()
		p.Arrived(from, &wire.Header{Kind: wire.Agree, Src: int32(from), Dst: 1, Group: WorldID, Seq: number,
			Len: uint64(len(body)), Body: uint32(len(body))}, body)
	}
	heard = func() []transport.Frame {
		out := posted
		posted = nil
		return out
	}
	return c, say, heard
}

// The last to agree may still ask how an agreement ended when a rank that knows
// has left two later ones because its ctx had ended.
func TestAgreementIsRemembered(t *testing.T) {
	c, say, heard := alone(t)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	value := agree.Value{Dead: agree.NewSet(4), Flag: true}
	leave := func() {
		t.Helper()
		if _, err := c.Agree(over, true); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	say(0, 1, agree.Message{Kind: agree.Propose, Value: value})
	say(0, 1, agree.Message{Kind: agree.Commit, Value: value})
	if out, err := c.Agree(context.Background(), true); err != nil || !out.Flag {
		t.Fatal(out, err)
	}
	leave()
	leave()
	leave()
	heard()
	dead := agree.NewSet(4)
	dead.Add(0)
	say(2, 1, agree.Message{Kind: agree.Vote, Dead: dead, Accepted: 0, Value: value})
	got := heard()
	if len(got) != 1 || got[0].Dst != 2 || got[0].Seq != 1 {
		t.Fatalf("who asks about the first agreement hears %+v", got)
	}
	if m, err := agree.Decode(got[0].Body, 4); err != nil || m.Kind != agree.Commit || !m.Value.Flag {
		t.Fatalf("who asks about the first agreement hears %v, %v", m, err)
	}
}

// When all have begun an agreement those before it are forgotten. Who still asks
// about one has been left out, and is told so instead of being left to wait.
func TestForgottenAgreement(t *testing.T) {
	c, say, heard := alone(t)
	for number := range uint32(20) {
		value := agree.Value{Dead: agree.NewSet(4), Flag: true}
		value.Dead.Add(3)
		say(0, 1+number, agree.Message{Kind: agree.Propose, Value: value})
		say(0, 1+number, agree.Message{Kind: agree.Commit, Value: value})
		if out, err := c.Agree(context.Background(), true); err != nil || len(out.Dead) != 1 {
			t.Fatal(out, err)
		}
	}
	heard()
	for _, kind := range []agree.Kind{agree.Vote, agree.Prepare, agree.Propose} {
		say(3, 5, agree.Message{Kind: kind, Accepted: -1})
		got := heard()
		if len(got) != 1 || got[0].Dst != 3 || got[0].Seq != 5 {
			t.Fatalf("%v: who asks about a forgotten agreement hears %+v", kind, got)
		}
		m, err := agree.Decode(got[0].Body, 4)
		if err != nil || !m.Dead.Has(3) {
			t.Fatalf("%v: who asks about a forgotten agreement hears %v, %v", kind, m, err)
		}
		// The answer to an answer is none.
		say(3, 5, agree.Message{Kind: agree.Prepare, Dead: agree.Set{1 << 1}})
		if got := heard(); len(got) != 0 {
			t.Fatalf("an answer is answered with %+v", got)
		}
	}
	if n := len(c.rank.agreements); n > 2 {
		t.Fatalf("%d agreements are kept", n)
	}
}

// A rank that has failed, or that the supervisor calls dead, may live on for a
// moment and see the others close their links to it. It must not have them called
// dead for that: the others would go on without one that lives.
func TestTheDeadAccuseNobody(t *testing.T) {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	begin := func(t *testing.T, c *Comm, heard func() []transport.Frame) {
		t.Helper()
		if _, err := c.Agree(over, true); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if got := heard(); len(got) != 1 || got[0].Dst != 0 {
			t.Fatalf("a vote to rank 0 is expected: %+v", got)
		}
	}
	reset := errors.New("connection reset")
	t.Run("alive", func(t *testing.T) { // the contrast: here the others must hear
		c, _, heard := alone(t)
		begin(t, c, heard)
		c.Proc().Down(0, reset)
		if got := heard(); len(got) == 0 {
			t.Fatal("nobody hears of a death")
		}
	})
	t.Run("failed", func(t *testing.T) {
		c, say, heard := alone(t)
		begin(t, c, heard)
		c.rank.Fail(errors.New("its body has failed"))
		heard()
		for _, q := range []int{0, 2, 3} {
			c.Proc().Down(q, reset)
		}
		say(2, 1, agree.Message{Kind: agree.Prepare})
		if got := heard(); len(got) != 0 {
			t.Fatalf("a rank that has failed says %+v", got)
		}
	})
	t.Run("disowned", func(t *testing.T) {
		c, say, heard := alone(t)
		begin(t, c, heard)
		c.Proc().Gone([]int{3}, false, errors.New("its host is lost"))
		first := agree.NewSet(4)
		first.Add(0)
		say(3, 1, agree.Message{Kind: agree.Vote, Accepted: -1, Dead: first})
		if got := heard(); len(got) != 0 {
			t.Fatalf("whom a dead rank accuses is taken for dead: %+v", got)
		}
		// The outcome that it knows counts.
		value := agree.Value{Dead: agree.NewSet(4), Flag: true}
		say(3, 1, agree.Message{Kind: agree.Commit, Value: value, Dead: first})
		if v, decided := c.rank.agreement(agreementKey{WorldID, 1}).machine.Decision(); !decided || !v.Flag {
			t.Fatal(v, decided)
		}
	})
}
