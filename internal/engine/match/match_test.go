package match

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// naive is the same rules as two slices scanned from the front.
type naive struct {
	recvs []*Recv
	msgs  []*Msg
}

func fits(r *Recv, m *Msg) bool {
	return r.Group == m.Group && (r.Src == Any || r.Src == m.Src) && (r.Tag == Any || r.Tag == m.Tag)
}

func (n *naive) post(r *Recv) *Msg {
	for i, m := range n.msgs {
		if fits(r, m) {
			n.msgs = slices.Delete(n.msgs, i, i+1)
			return m
		}
	}
	n.recvs = append(n.recvs, r)
	return nil
}

func (n *naive) arrive(m *Msg) *Recv {
	for i, r := range n.recvs {
		if fits(r, m) {
			n.recvs = slices.Delete(n.recvs, i, i+1)
			return r
		}
	}
	n.msgs = append(n.msgs, m)
	return nil
}

func (n *naive) cancel(r *Recv) bool {
	i := slices.Index(n.recvs, r)
	if i < 0 {
		return false
	}
	n.recvs = slices.Delete(n.recvs, i, i+1)
	return true
}

// run interprets script, three bytes a step, on both and compares every answer.
func run(t *testing.T, script []byte) {
	q, n := New(), &naive{}
	q.Unfold = func(s *Slip) *Recv { return s.Owner.(*Recv) }
	// The twin has nodes of its own: nodes are linked into one structure only.
	recvs, msgs := map[any]*Recv{}, map[any]*Msg{}
	var posted []*Recv
	id := 0
	for len(script) >= 3 {
		op, a, b := script[0]%8, script[1], script[2]
		script = script[3:]
		id++
		group, src, tag := uint64(a%3), int32(a/3%5), int32(b%4)
		switch op {
		case 0, 1, 2: // post
			if a&0x80 != 0 {
				src = Any
			}
			if b&0x80 != 0 {
				tag = Any
			}
			r := &Recv{Group: group, Src: src, Tag: tag, Value: id}
			r2 := *r
			recvs[id] = &r2
			peek := q.Peek(group, src, tag)
			if src != Any && tag != Any && b&0x40 != 0 {
				if s := q.Slip(group, src, tag); s != nil {
					s.Owner = r
					if m := n.post(&r2); m != nil {
						t.Fatalf("step %d: %+v waits, but %v has come", id, r, m)
					}
					posted = append(posted, r)
					break
				}
			}
			got, want := q.Post(r), n.post(&r2)
			if got != peek {
				t.Fatalf("step %d: Peek %v, Post took %v", id, peek, got)
			}
			if (got == nil) != (want == nil) || got != nil && got.Value != want.Value {
				t.Fatalf("step %d: Post(%+v) = %v, want %v", id, r, got, want)
			}
			if got == nil {
				posted = append(posted, r)
			}
		case 3, 4, 5: // arrive
			m := &Msg{Group: group, Src: src, Tag: tag, Value: id}
			m2 := *m
			msgs[id] = &m2
			var got *Recv
			if s := q.TakeSlip(group, src, tag); s != nil {
				got = s.Owner.(*Recv)
			} else {
				got = q.Arrive(m)
			}
			want := n.arrive(&m2)
			if (got == nil) != (want == nil) || got != nil && got.Value != want.Value {
				t.Fatalf("step %d: Arrive(%+v) = %v, want %v", id, m, got, want)
			}
		case 6: // cancel
			if len(posted) > 0 {
				r := posted[int(b)%len(posted)]
				q.UnfoldAll()
				if got, want := q.Cancel(r), n.cancel(recvs[r.Value]); got != want {
					t.Fatalf("step %d: Cancel = %v, want %v", id, got, want)
				}
			}
		case 7: // one source is gone, or one group
			if b&1 == 0 {
				for _, m := range q.Msgs(func(m *Msg) bool { return m.Src == src }) {
					q.Remove(m)
				}
				n.msgs = slices.DeleteFunc(n.msgs, func(m *Msg) bool { return m.Src == src })
			} else {
				for _, r := range q.Recvs(func(r *Recv) bool { return r.Group == group }) {
					q.Cancel(r)
				}
				q.Drop(group)
				n.msgs = slices.DeleteFunc(n.msgs, func(m *Msg) bool { return m.Group == group })
				n.recvs = slices.DeleteFunc(n.recvs, func(r *Recv) bool { return r.Group == group })
			}
		}
		if q.Unexpected != len(n.msgs) {
			t.Fatalf("step %d: %d unexpected, want %d", id, q.Unexpected, len(n.msgs))
		}
		if id%8 != 0 { // it unfolds
			continue
		}
		if got := len(q.Recvs(func(*Recv) bool { return true })); got != len(n.recvs) {
			t.Fatalf("step %d: %d posted, want %d", id, got, len(n.recvs))
		}
	}
}

func TestAgainstNaive(t *testing.T) {
	for seed := range uint64(300) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			script := make([]byte, 3*rng.IntN(400))
			for i := range script {
				script[i] = byte(rng.Uint32())
			}
			run(t, script)
		})
	}
}

func FuzzMatch(f *testing.F) {
	f.Add([]byte{0, 0x80, 0x80, 3, 0, 0, 3, 4, 1, 6, 0, 0})
	f.Add([]byte{3, 1, 1, 3, 1, 2, 0, 1, 2, 7, 1, 0, 7, 0, 1})
	f.Fuzz(func(t *testing.T, script []byte) { run(t, script) })
}

// A receive that is matched and posted again, as pooled requests are, must not
// remember its former list.
func TestNodesAreReusable(t *testing.T) {
	q := New()
	r, m := &Recv{Group: 1, Src: 2, Tag: 3}, &Msg{Group: 1, Src: 2, Tag: 3}
	for range 3 {
		if q.Post(r) != nil || q.Arrive(m) != r || q.Cancel(r) {
			t.Fatal("posted receive did not take the message")
		}
		if q.Arrive(m) != nil || q.Post(r) != m {
			t.Fatal("unexpected message was not taken")
		}
	}
}

// A row is a ring that grows to its bound; what is beyond waits as usual, behind it.
func TestRow(t *testing.T) {
	q := New()
	unfolded := 0
	q.Unfold = func(s *Slip) *Recv { unfolded++; return &Recv{Value: s.Owner} }
	next, taken := 0, 0
	post := func() bool {
		s := q.Slip(1, 2, 3)
		if s == nil {
			return false
		}
		s.Owner = next
		next++
		return true
	}
	take := func() {
		t.Helper()
		s := q.TakeSlip(1, 2, 3)
		if s == nil || s.Owner != taken {
			t.Fatalf("%v came to a message that %d was for", s, taken)
		}
		taken++
	}
	for _, n := range []int{1, 3, 5, 100, mostRow} {
		for range n {
			if !post() {
				t.Fatalf("no room for one of %d", n)
			}
		}
		for range n / 2 {
			take()
		}
		for range n / 2 {
			if !post() {
				t.Fatalf("no room for one of %d", n)
			}
		}
		for taken < next {
			take()
		}
	}
	for range mostRow {
		post()
	}
	if post() {
		t.Fatalf("more than %d in a row", mostRow)
	}
	if q.TakeSlip(1, 2, 4) != nil || q.TakeSlip(1, 3, 3) != nil || q.TakeSlip(4, 2, 3) != nil || unfolded != 0 {
		t.Fatal("a message went to a receive with another tag, source or group")
	}
	for i := range mostRow {
		if r := q.Take(1, 2, 3); r == nil || r.Value != taken+i {
			t.Fatalf("%v came to a message that %d was for", r, taken+i)
		}
	}
	if unfolded != mostRow || q.Take(1, 2, 3) != nil {
		t.Fatalf("%d of %d unfolded, or more", unfolded, mostRow)
	}
	for i := range q.flows[key{1, 2}].row.slips {
		if s := q.flows[key{1, 2}].row.slips[i]; s.Owner != nil {
			t.Fatalf("%v is kept alive", s)
		}
	}
}

func BenchmarkSlip(b *testing.B) {
	q := New()
	for b.Loop() {
		q.Slip(1, 2, 3)
		q.TakeSlip(1, 2, 3)
	}
}

func BenchmarkPostArrive(b *testing.B) {
	q := New()
	r, m := &Recv{Group: 1, Src: 2, Tag: 3}, &Msg{Group: 1, Src: 2, Tag: 3}
	for b.Loop() {
		q.Post(r)
		q.Arrive(m)
	}
}
