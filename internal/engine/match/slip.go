package match

// A Slip is a receive in a few words, for as long as nothing stands between it and
// the next messages of its source. It lies in a row, which is a ring of such, in the
// order of posting: only the first of a row is ever looked at, and matching it is a
// comparison of tags. Whatever else concerns a row (a message with another tag than the
// first's, a receive that is no Slip, a receive for any source, a look at all that
// wait) has it unfolded first: each Slip becomes a Recv ([Queues.Unfold]).
//
// All but Tag is the owner's.
type Slip struct {
	Tag   int32
	Peer  int32
	Elem  uint32
	Size  uint32
	Buf   []byte
	Owner any
	Op    uint8
}

const (
	leastRow = 4
	// mostRow bounds the memory of a row, which is kept: 16 KiB.
	mostRow = 256
)

// A row has the slips with the numbers from first up to next.
type row struct {
	slips       []Slip // as many as a power of two, or none
	first, next uint32
	listed      bool // in Queues.rows
}

func (w *row) empty() bool { return w.first == w.next }

func (w *row) at(i uint32) *Slip { return &w.slips[int(i)&(len(w.slips)-1)] }

// grow makes room for another, unless there are too many.
func (w *row) grow() bool {
	if len(w.slips) == mostRow {
		return false
	}
	more := make([]Slip, max(2*len(w.slips), leastRow))
	n := w.next - w.first
	for i := range n {
		more[i] = *w.at(w.first + i)
	}
	w.slips, w.first, w.next = more, 0, n
	return true
}

// Slip queues a receive from one source with one tag, and returns where all but the tag
// is to be written before anything else is done with q. It returns nil where the receive
// must be offered to Post: something has come from the source, or other receives wait
// that a message of it may go to.
func (q *Queues) Slip(group uint64, src, tag int32) *Slip {
	f := q.flow(group, src)
	w := &f.row
	if f.head != nil || f.posted.head != nil || f.group.anySource.head != nil {
		return nil
	}
	if int(w.next-w.first) == len(w.slips) && !w.grow() {
		return nil
	}
	if !w.listed {
		w.listed = true
		q.rows = append(q.rows, f)
	}
	s := w.at(w.next)
	s.Tag = tag
	w.next++
	return s
}

// TakeSlip removes the slip that a message of (group, src, tag) goes to; nil: Take says
// who gets the message. What it returns is good until q is next used; the owner clears
// what it must not keep alive.
func (q *Queues) TakeSlip(group uint64, src, tag int32) *Slip {
	f := q.find(group, src)
	if f == nil || f.row.first == f.row.next {
		return nil
	}
	s := f.row.at(f.row.first)
	if s.Tag != tag {
		return nil
	}
	f.row.first++
	return s
}

// UnfoldAll makes Recvs of all slips.
func (q *Queues) UnfoldAll() {
	for _, f := range q.rows {
		q.unfold(f)
		f.row.listed = false
	}
	clear(q.rows)
	q.rows = q.rows[:0]
}

func (q *Queues) unfold(f *flow) {
	for w := &f.row; !w.empty(); w.first++ {
		s := w.at(w.first)
		r := q.Unfold(s)
		r.Group, r.Src, r.Tag = f.id, f.src, s.Tag
		*s = Slip{}
		q.push(&f.posted, r)
	}
}
