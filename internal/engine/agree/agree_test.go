package agree

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// A sim is a group whose members die at random steps. Messages of a pair arrive
// in order; of a member that dies a random part still does, and each survivor
// hears of the death at a time of its own.
type sim struct {
	rnd     *rand.Rand
	n       int
	members []*Machine // nil: has not begun
	flags   []bool
	early   [][]Send // To is the sender here
	queues  map[[2]int][]Message
	dying   map[int]bool    // dead in truth
	news    [][]int         // deaths each member has not heard of yet
	cut     map[[2]int]bool // pairs whose link has failed though both live
	log     []string
}

func newSim(rnd *rand.Rand, n int) *sim {
	s := &sim{rnd: rnd, n: n, members: make([]*Machine, n), flags: make([]bool, n), early: make([][]Send, n),
		queues: map[[2]int][]Message{}, dying: map[int]bool{}, news: make([][]int, n), cut: map[[2]int]bool{}}
	for i := range s.flags {
		s.flags[i] = rnd.IntN(8) > 0
	}
	return s
}

func (s *sim) post(from int, out []Send) {
	for _, o := range out {
		if o.To == from || o.To < 0 || o.To >= s.n {
			panic("a message to nobody")
		}
		if s.cut[[2]int{from, o.To}] {
			continue
		}
		// What crosses a wire must survive it.
		m, err := Decode(o.Message.Encode(), s.n)
		if err != nil {
			panic(err)
		}
		s.queues[[2]int{from, o.To}] = append(s.queues[[2]int{from, o.To}], m)
	}
}

func (s *sim) kill(r int) {
	if s.dying[r] {
		return
	}
	s.dying[r] = true
	s.log = append(s.log, fmt.Sprint("dies ", r))
	for to := range s.n {
		key := [2]int{r, to}
		if q := s.queues[key]; len(q) > 0 {
			s.queues[key] = q[:s.rnd.IntN(len(q)+1)]
		}
		if to != r {
			s.news[to] = append(s.news[to], r)
		}
	}
}

// sever fails the link of two members that live: each calls the other dead.
func (s *sim) sever(a, b int) {
	if a == b || s.cut[[2]int{a, b}] {
		return
	}
	s.log = append(s.log, fmt.Sprint("cut ", a, b))
	for _, k := range [][2]int{{a, b}, {b, a}} {
		s.cut[k] = true
		s.queues[k] = nil
		s.news[k[1]] = append(s.news[k[1]], k[0])
	}
}

// step does one of the things that can happen; false when nothing can.
func (s *sim) step() bool {
	var can []func()
	for r := range s.n {
		if s.dying[r] {
			continue
		}
		if s.members[r] == nil {
			can = append(can, func() {
				dead := NewSet(s.n)
				for _, d := range s.news[r] {
					dead.Add(d)
				}
				s.news[r] = nil
				m, out := New(r, s.n, s.flags[r], dead)
				s.members[r] = m
				s.post(r, out)
				for _, e := range s.early[r] {
					s.post(r, m.Receive(e.To, e.Message))
				}
			})
		} else if len(s.news[r]) > 0 {
			can = append(can, func() {
				d := s.news[r][0]
				s.news[r] = s.news[r][1:]
				s.post(r, s.members[r].Lost(d))
			})
		}
	}
	keys := make([][2]int, 0, len(s.queues))
	for k, q := range s.queues {
		if len(q) > 0 {
			keys = append(keys, k)
		}
	}
	slices.SortFunc(keys, func(a, b [2]int) int { return a[0]*s.n + a[1] - b[0]*s.n - b[1] })
	for _, k := range keys {
		can = append(can, func() {
			m := s.queues[k][0]
			s.queues[k] = s.queues[k][1:]
			switch to := k[1]; {
			case s.dying[to]:
			case s.members[to] == nil:
				s.early[to] = append(s.early[to], Send{k[0], m})
			default:
				s.post(to, s.members[to].Receive(k[0], m))
			}
		})
	}
	if len(can) == 0 {
		return false
	}
	can[s.rnd.IntN(len(can))]()
	return true
}

// check returns what is wrong with the outcome.
func (s *sim) check(severed bool) error {
	var agreed *Value
	for r, m := range s.members {
		if s.dying[r] {
			continue
		}
		v, decided := m.Decision()
		switch {
		case m.Excluded() && !severed:
			return fmt.Errorf("member %d is excluded, though it and its links live", r)
		case m.Excluded():
			continue
		case !decided:
			return fmt.Errorf("member %d has not decided", r)
		case v.Dead.Has(r):
			return fmt.Errorf("member %d decided that it is dead", r)
		case agreed == nil:
			agreed = &v
		case !reflect.DeepEqual(*agreed, v):
			return fmt.Errorf("member %d decided %v, another one %v", r, v, *agreed)
		}
	}
	if agreed == nil || severed {
		return nil
	}
	for r := range s.n {
		if agreed.Dead.Has(r) && !s.dying[r] {
			return fmt.Errorf("%d lives and was declared dead", r)
		}
		// Whoever votes false and lives is heard.
		if !s.dying[r] && !s.flags[r] && agreed.Flag {
			return fmt.Errorf("%d said false, and the outcome is true", r)
		}
	}
	return nil
}

var simSizes = []int{1, 2, 3, 5, 8, 16, 65, 93}

// TestSurvivorsAgree lets members die at random steps.
func TestSurvivorsAgree(t *testing.T) {
	for seed := range uint64(2000) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		n := simSizes[rnd.IntN(5)]
		if seed%50 == 0 {
			n = simSizes[rnd.IntN(len(simSizes))]
		}
		s := newSim(rnd, n)
		deaths := rnd.IntN(n)
		rate := 1 + rnd.IntN(6*n)
		for s.step() {
			if deaths > 0 && rnd.IntN(rate) == 0 {
				deaths--
				// The leader most of all.
				victim := rnd.IntN(n)
				if rnd.IntN(2) == 0 {
					for victim = 0; s.dying[victim]; victim++ {
					}
				}
				if len(s.dying) < n-1 {
					s.kill(victim)
				}
			}
		}
		if err := s.check(false); err != nil {
			t.Fatalf("seed %d, %d members, %v: %v", seed, n, s.log, err)
		}
	}
}

// TestFailedLink lets the link of two members that live fail: one of the two may
// be excluded, and whoever is not agrees with the others. (Links that part the
// group in halves leave two groups, each without the other; there the launcher's
// lease decides who lives.)
func TestFailedLink(t *testing.T) {
	for seed := range uint64(1500) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		n := 3 + rnd.IntN(7)
		s := newSim(rnd, n)
		cuts := 1
		for s.step() {
			if cuts > 0 && rnd.IntN(4*n) == 0 {
				cuts--
				s.sever(rnd.IntN(n), rnd.IntN(n))
			}
		}
		if err := s.check(true); err != nil {
			t.Fatalf("seed %d, %d members, %v: %v", seed, n, s.log, err)
		}
	}
}

// Without a death it takes a vote, a proposal, an ack and a commit of everybody.
func TestCost(t *testing.T) {
	const n = 93
	s := newSim(rand.New(rand.NewPCG(1, 1)), n)
	sent := 0
	for r := range n {
		m, out := New(r, n, true, NewSet(n))
		s.members[r] = m
		s.post(r, out)
	}
	for _, q := range s.queues {
		sent += len(q)
	}
	for busy := true; busy; {
		busy = false
		for k, q := range s.queues {
			for _, m := range q {
				busy = true
				out := s.members[k[1]].Receive(k[0], m)
				sent += len(out)
				s.post(k[1], out)
				s.queues[k] = s.queues[k][1:]
			}
		}
	}
	if sent != 4*(n-1) {
		t.Errorf("%d messages, want %d", sent, 4*(n-1))
	}
	if v, ok := s.members[92].Decision(); !ok || !v.Flag || v.Dead.Len() != 0 {
		t.Errorf("decided %v %v", v, ok)
	}
}

func FuzzDecode(f *testing.F) {
	m := Message{Kind: Vote, Dead: Set{5}, Flag: true, Accepted: 1, Value: Value{Set{4}, true}}
	f.Add(m.Encode(), 3)
	f.Add([]byte{}, 1)
	f.Add(bytes.Repeat([]byte{3}, 22), 64)
	f.Fuzz(func(t *testing.T, b []byte, size int) {
		size = 1 + (size&0x7fffffff)%200
		m, err := Decode(b, size)
		if err != nil {
			return
		}
		if !bytes.Equal(m.Encode(), b) {
			t.Fatalf("%x came back as %x", b, m.Encode())
		}
		machine, _ := New(size-1, size, true, NewSet(size))
		for from := range size - 1 {
			machine.Receive(from, m)
			machine.Lost(from)
		}
		if !machine.Over() {
			t.Fatal("alone and undecided")
		}
	})
}
