package board

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A hall has the members of a board as goroutines. They look a few times, then
// sleep until they are woken: a wake-up that is lost is a test that hangs.
type hall struct {
	beds []chan struct{}
	stop chan struct{} // closed when a member has failed
	once sync.Once
}

type guest struct {
	*hall
	p *Party
}

var errStopped = errors.New("another member has failed")

func (g *guest) Await(w Words) error {
	for range 3 {
		if w.Reached(0) == w.N {
			return nil
		}
		runtime.Gosched()
	}
	g.p.Asleep(g.p.Me, true)
	defer g.p.Asleep(g.p.Me, false)
	for w.Reached(0) < w.N {
		if err := g.p.Differs(); err != nil {
			return err
		}
		select {
		case <-g.beds[g.p.Me]:
		case <-g.stop:
			return errStopped
		}
	}
	return nil
}

func (g *guest) Wake(member int) {
	select {
	case g.beds[member] <- struct{}{}:
	default:
	}
}

// run runs body as every member and returns what each returned.
func run(t *testing.T, s Shape, body func(p *Party) error) []error {
	t.Helper()
	b := Make(s)
	h := &hall{stop: make(chan struct{})}
	for range s.Members {
		h.beds = append(h.beds, make(chan struct{}, 1))
	}
	errs := make([]error, s.Members)
	done := make(chan int)
	for m := range s.Members {
		g := &guest{hall: h}
		g.p = b.Join(m, g)
		go func() {
			if errs[m] = body(g.p); errs[m] != nil {
				h.once.Do(func() { close(h.stop) })
			}
			done <- m
		}()
	}
	timeout := time.After(30 * time.Second)
	for range s.Members {
		select {
		case <-done:
		case <-timeout:
			t.Fatal("the members stand still")
		}
	}
	return errs
}

var members = []int{1, 2, 3, 5, 8, 93}

func shape(m int) Shape { return Shape{Members: m, Stage: 128, Pipe: 128} }

// All that members show in turns of every kind is what they read.
func TestTurns(t *testing.T) {
	for _, m := range members {
		turns := 3000 / m
		for r, err := range run(t, shape(m), func(p *Party) error {
			dice := rand.New(rand.NewPCG(uint64(m), 7)) // the same on all
			for i := range turns {
				if err := oneTurn(p, dice, i); err != nil {
					return fmt.Errorf("turn %d: %w", i, err)
				}
			}
			return nil
		}) {
			if err != nil {
				t.Errorf("member %d of %d: %v", r, m, err)
			}
		}
	}
}

func number(b []byte) int     { return int(binary.LittleEndian.Uint64(b)) }
func put(b []byte, n int)     { binary.LittleEndian.PutUint64(b, uint64(n)) }
func label(i, member int) int { return i*1000 + member }
func bytesOf(i, n int) []byte {
	x := make([]byte, n)
	for j := range x {
		x[j] = byte(i + j*7)
	}
	return x
}

func oneTurn(p *Party, dice *rand.Rand, i int) error {
	kind, root := dice.IntN(4), dice.IntN(p.Members)
	p.Begin(NewHead(uint8(kind), uint16(root), 1))
	var mine [8]byte
	put(mine[:], label(i, p.Me))
	switch kind {
	case 0: // everybody reads every post
		if err := p.Enter(); err != nil {
			return err
		}
		if err := p.Meet(mine[:]); err != nil {
			return err
		}
		for m := range p.Members {
			if got := number(p.Posted(m)); got != label(i, m) {
				return fmt.Errorf("post of %d: %d, want %d", m, got, label(i, m))
			}
		}
	case 1: // everybody reads every stage
		if err := p.EnterStage(); err != nil {
			return err
		}
		copy(p.Shown(p.Me), mine[:])
		last, err := p.Arrive(nil, true)
		if err != nil {
			return err
		}
		if last {
			put(p.Common(), i)
			p.Release(mine[:])
		} else if err := p.Met(); err != nil {
			return err
		}
		for m := range p.Members {
			if got := number(p.Shown(m)); got != label(i, m) {
				return fmt.Errorf("stage of %d: %d, want %d", m, got, label(i, m))
			}
		}
		if !p.Few() && (number(p.Common()) != i || number(p.Released())/1000 != i) {
			return fmt.Errorf("the last one's result: %d", number(p.Common()))
		}
	case 2: // only root waits
		if err := p.Enter(); err != nil {
			return err
		}
		if _, err := p.Arrive(mine[:], false); err != nil || p.Me != root {
			return err
		}
		if err := p.Everybody(); err != nil {
			return err
		}
		for m := range p.Members {
			if got := number(p.Posted(m)); got != label(i, m) {
				return fmt.Errorf("post of %d for the root: %d, want %d", m, got, label(i, m))
			}
		}
	case 3: // the root sends
		n := dice.IntN(3000)
		if err := p.Enter(); err != nil {
			return err
		}
		if _, err := p.Arrive(mine[:], false); err != nil {
			return err
		}
		want := bytesOf(i, n)
		if p.Me == root {
			p.Told()
			return p.Put(want)
		}
		if err := p.From(root); err != nil {
			return err
		}
		if got := number(p.Posted(root)); got != label(i, root) {
			return fmt.Errorf("the root's post: %d, want %d", got, label(i, root))
		}
		x := make([]byte, n)
		if err := p.Take(x); err != nil {
			return err
		}
		if string(x) != string(want) {
			return fmt.Errorf("%d bytes from the pipe differ", n)
		}
	}
	return nil
}

// A member in another call is found by all but those who have left already,
// whichever kind of turn it is.
func TestMismatch(t *testing.T) {
	for _, m := range []int{2, 3, 5, 8} {
		for odd := range m {
			for _, meeting := range []bool{false, true} {
				found := 0
				for _, err := range run(t, shape(m), func(p *Party) error {
					head := NewHead(3, 1, 9)
					if p.Me == odd {
						head = NewHead(3, 2, 9)
					}
					p.Begin(head)
					if err := p.Enter(); err != nil {
						return err
					}
					last, err := p.Arrive(nil, meeting)
					if err != nil || !meeting {
						return err
					}
					if last {
						p.Release(nil)
						return nil
					}
					return p.Met()
				}) {
					var mm *Mismatch
					if errors.As(err, &mm) {
						found++
					} else if err != nil && !errors.Is(err, errStopped) {
						t.Error(err)
					}
				}
				if found == 0 {
					t.Errorf("%d members, the odd one is %d: nobody has noticed", m, odd)
				}
			}
		}
	}
}

func TestHead(t *testing.T) {
	h := NewHead(7, 0xfffe, 0xdeadbeef)
	if h.Op() != 7 || h.Root() != 0xfffe || h.Elem() != 0xdeadbeef {
		t.Errorf("%x", uint64(h))
	}
}

// No two parts of a board overlap, and a board that does not fit is refused.
func TestLayout(t *testing.T) {
	for _, m := range []int{1, 2, 64, 65, 1000} {
		s := Shape{Members: m, Stage: 192, Pipe: 4096}
		b := Make(s)
		mark := func(x []byte) {
			for i := range x {
				if x[i] != 0 {
					t.Fatalf("%d members: two parts share memory", m)
				}
				x[i] = 1
			}
		}
		for turn := range uint64(2) {
			mark(b.Result(turn))
			for i := range m {
				mark(b.StageOf(i, turn))
			}
		}
		for turn := range uint64(rounds) {
			for i := range m {
				mark(b.post(i, turn).data[:])
			}
			mark(b.round(turn).result[:])
		}
		for i := range uint64(pipeSlots) {
			mark(b.slot(i))
			if *b.taken(i) != 0 {
				t.Fatal("the pipe's words lie in data")
			}
		}
		for _, w := range b.bits() {
			if w != 0 {
				t.Fatal("the sleepers' bits lie in data")
			}
		}
		if _, err := At(b.mem[:len(b.mem)-line], s); err == nil {
			t.Error("a board in too little memory")
		}
		for i := range m {
			if last := b.Close(); last != (i == m-1) {
				t.Errorf("closing %d of %d: last %v", i, m, last)
			}
		}
	}
	if _, err := At(make([]byte, 1<<20), Shape{Members: 2, Stage: 100}); err == nil {
		t.Error("stages that are no whole lines")
	}
}
