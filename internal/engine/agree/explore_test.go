package agree

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A world is a whole group at one moment: its members' states, what is under way
// between them, who has died and who has not heard of that. Explore goes through
// every world that can follow from the first.
type world struct {
	members []*Machine // nil: has not begun
	died    []bool
	unheard [][]bool      // by member: deaths it has not heard of
	early   [][]Send      // To is the sender here
	wires   [][][]Message // by sender and addressee
}

// A space is what worlds of one exploration have in common.
type space struct {
	n      int
	flags  []bool
	deaths int  // at most
	mixed  bool // messages of a pair may overtake each other
	seen   map[string]bool
	ends   int
	path   []string
}

func (w *world) clone() *world {
	c := &world{died: slices.Clone(w.died)}
	for r, m := range w.members {
		if m != nil {
			k := *m
			k.dead, k.acks, k.value = slices.Clone(m.dead), slices.Clone(m.acks), m.value.clone()
			k.votes = slices.Clone(m.votes)
			m = &k
		}
		c.members = append(c.members, m)
		c.unheard = append(c.unheard, slices.Clone(w.unheard[r]))
		c.early = append(c.early, slices.Clone(w.early[r]))
		var wires [][]Message
		for _, q := range w.wires[r] {
			wires = append(wires, slices.Clone(q))
		}
		c.wires = append(c.wires, wires)
	}
	return c
}

// key is the same for worlds that are.
func (s *space) key(w *world) string {
	var b strings.Builder
	for r, m := range w.members {
		fmt.Fprint(&b, "|", w.died[r], w.unheard[r])
		if m == nil {
			fmt.Fprint(&b, w.early[r])
		} else if !w.died[r] {
			fmt.Fprint(&b, m.dead, m.leader, m.accepted, m.value, m.acks, m.proposed, m.decided, m.excluded)
			for _, v := range m.votes {
				if v != nil {
					fmt.Fprint(&b, *v)
				}
				b.WriteByte(';')
			}
		} else { // what a member decided before it died counts
			fmt.Fprint(&b, m.decided, m.value)
		}
		for to, q := range w.wires[r] {
			var texts []string
			for _, m := range q {
				if !w.died[to] {
					texts = append(texts, fmt.Sprint(m))
				}
			}
			if s.mixed {
				slices.Sort(texts)
			}
			fmt.Fprint(&b, texts)
		}
	}
	return b.String()
}

func (w *world) post(from int, out []Send) {
	for _, o := range out {
		w.wires[from][o.To] = append(w.wires[from][o.To], o.Message)
	}
}

// explore looks at w and at everything that can become of it.
func (s *space) explore(w *world, deaths int) error {
	key := s.key(w)
	if s.seen[key] {
		return nil
	}
	s.seen[key] = true
	if err := s.uniform(w); err != nil {
		return err
	}
	quiet := true
	next := func(what string, deaths int, change func(w *world)) error {
		c := w.clone()
		change(c)
		s.path = append(s.path, what)
		err := s.explore(c, deaths)
		if err == nil {
			s.path = s.path[:len(s.path)-1]
		}
		return err
	}
	for r, m := range w.members {
		if w.died[r] {
			continue
		}
		if deaths > 0 {
			err := next(fmt.Sprint(r, " dies"), deaths-1, func(w *world) {
				w.died[r] = true
				for to := range s.n {
					w.unheard[to][r] = to != r
				}
			})
			if err != nil {
				return err
			}
		}
		if m == nil {
			quiet = false
			if err := next(fmt.Sprint(r, " begins"), deaths, func(w *world) { s.begin(w, r) }); err != nil {
				return err
			}
			continue
		}
		for d := range s.n {
			if !w.unheard[r][d] {
				continue
			}
			quiet = false
			err := next(fmt.Sprint(r, " hears of ", d), deaths, func(w *world) {
				w.unheard[r][d] = false
				w.post(r, w.members[r].Lost(d))
			})
			if err != nil {
				return err
			}
		}
	}
	for from := range s.n {
		for to := range s.n {
			q := w.wires[from][to]
			if len(q) == 0 || w.died[to] {
				continue
			}
			last := 0
			if s.mixed {
				last = len(q) - 1
			}
			for i := range last + 1 {
				if i > 0 && reflect.DeepEqual(q[i], q[i-1]) {
					continue
				}
				quiet = false
				err := next(fmt.Sprint(from, " to ", to, ": ", q[i].Kind, q[i].Dead, q[i].Value), deaths, func(w *world) {
					w.wires[from][to] = slices.Delete(w.wires[from][to], i, i+1)
					if m := w.members[to]; m != nil {
						w.post(to, m.Receive(from, q[i]))
					} else {
						w.early[to] = append(w.early[to], Send{from, q[i]})
					}
				})
				if err != nil {
					return err
				}
			}
			if w.died[from] { // what a dead member had sent last may be lost
				err := next(fmt.Sprint(from, " to ", to, ": lost"), deaths, func(w *world) {
					w.wires[from][to] = w.wires[from][to][:len(q)-1]
				})
				if err != nil {
					return err
				}
			}
		}
	}
	if quiet {
		s.ends++
		return s.final(w)
	}
	return nil
}

func (s *space) begin(w *world, r int) {
	dead := NewSet(s.n)
	for d := range s.n {
		if w.unheard[r][d] {
			dead.Add(d)
			w.unheard[r][d] = false
		}
	}
	m, out := New(r, s.n, s.flags[r], dead)
	w.members[r] = m
	w.post(r, out)
	for _, e := range w.early[r] {
		w.post(r, m.Receive(e.To, e.Message))
	}
	w.early[r] = nil
}

// uniform: whoever has decided, the dead too, has decided the same, and something
// that was right to decide.
func (s *space) uniform(w *world) error {
	var first *Value
	for r, m := range w.members {
		if m == nil {
			continue
		}
		if m.Excluded() {
			return fmt.Errorf("member %d is excluded", r)
		}
		v, decided := m.Decision()
		if !decided {
			continue
		}
		if first == nil {
			first = &v
		} else if !reflect.DeepEqual(*first, v) {
			return fmt.Errorf("member %d has decided %v, another one %v", r, v, *first)
		}
		for d := range s.n {
			if v.Dead.Has(d) && !w.died[d] {
				return fmt.Errorf("member %d has decided that %d is dead, which lives", r, d)
			}
			if !v.Dead.Has(d) && w.members[d] == nil {
				return fmt.Errorf("member %d has decided before %d has begun", r, d)
			}
			if !v.Dead.Has(d) && !s.flags[d] && v.Flag {
				return fmt.Errorf("member %d has decided true, and %d, not among the dead, said false", r, d)
			}
		}
	}
	return nil
}

// final: nothing can happen any more, so everybody who lives has decided.
func (s *space) final(w *world) error {
	for r, m := range w.members {
		if !w.died[r] {
			if _, decided := m.Decision(); !decided {
				return fmt.Errorf("member %d waits for ever", r)
			}
		}
	}
	return nil
}

// TestEveryInterleaving goes through all orders in which small groups' messages
// can arrive, news of deaths too, with deaths at every step, and messages that
// overtake each other: threads of a rank may carry them out in another order.
// (Four members of whom two die are 762,789 worlds and take a minute.)
func TestEveryInterleaving(t *testing.T) {
	for _, c := range []struct {
		flags  string
		deaths int
		mixed  bool
	}{
		{"t", 0, true},
		{"tf", 1, true},
		{"ttf", 0, true},
		{"ttt", 1, true},
		{"ftt", 1, true},
		{"ttf", 2, false},
		{"ftt", 2, false},
		{"ftt", 2, true},
	} {
		t.Run(fmt.Sprint(c.flags, c.deaths, c.mixed), func(t *testing.T) {
			n := len(c.flags)
			s := &space{n: n, deaths: c.deaths, mixed: c.mixed, seen: map[string]bool{}}
			w := &world{members: make([]*Machine, n), died: make([]bool, n), early: make([][]Send, n)}
			for _, f := range c.flags {
				s.flags = append(s.flags, f == 't')
				w.unheard = append(w.unheard, make([]bool, n))
				w.wires = append(w.wires, make([][]Message, n))
			}
			if err := s.explore(w, c.deaths); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(s.path, "\n"))
			}
			t.Logf("%d worlds, %d ends", len(s.seen), s.ends)
		})
	}
}
