// Package match pairs messages with receives by MPI's rules: a receive takes
// the oldest message that fits its group, source and tag; a message goes to the
// oldest receive that it fits; two messages of one sender in one group never
// overtake each other towards receives that fit both.
//
// It is a pure data structure: no lock, no clock, no goroutine. The engine
// holds one [Queues] a rank, behind that rank's lock. The nodes are embedded in
// the engine's requests and messages, so matching allocates nothing but the
// first time a group and a source meet.
//
// A [Queues] keeps, for each (group, source), a list of receives posted for that
// source and a list of unexpected messages from it, both in order of arrival;
// and for each group a list of receives for any source and of all unexpected
// messages. A number that grows with every post decides between the two lists
// of receives. Receives that are as plain as most, in windows of short messages, are
// in a row beside the list (slip.go).
package match

// Any as a receive's source or tag fits every source or tag.
const Any int32 = -1

// A Recv is a posted receive. Value is the owner's.
type Recv struct {
	Group    uint64
	Src, Tag int32
	Value    any

	seq        uint64
	list       *recvList
	prev, next *Recv
}

// A Msg is a message that has arrived. Value is the owner's.
type Msg struct {
	Group    uint64
	Src, Tag int32
	Value    any

	flow                 *flow
	prev, next           *Msg // in its source's list
	prevGroup, nextGroup *Msg // in its group's list
}

type recvList struct{ head, tail *Recv }

func (l *recvList) push(r *Recv) {
	r.list, r.prev, r.next = l, l.tail, nil
	if l.tail == nil {
		l.head = r
	} else {
		l.tail.next = r
	}
	l.tail = r
}

func (l *recvList) remove(r *Recv) {
	if r.prev == nil {
		l.head = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.tail = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.list, r.prev, r.next = nil, nil, nil
}

// first returns the oldest receive of the list that takes tag.
func (l *recvList) first(tag int32) *Recv {
	for r := l.head; r != nil; r = r.next {
		if r.Tag == tag || r.Tag == Any {
			return r
		}
	}
	return nil
}

// group holds what concerns all sources of a group.
type group struct {
	anySource  recvList
	head, tail *Msg // every unexpected message of the group, oldest first
	flows      map[int32]*flow
}

// flow is what one source sends to one group.
type flow struct {
	id         uint64 // of the group
	src        int32
	group      *group
	posted     recvList // empty while there are slips
	row        row
	head, tail *Msg
}

// oldest returns the oldest message of the flow that a receive of tag takes.
func (f *flow) oldest(tag int32) *Msg {
	for m := f.head; m != nil; m = m.next {
		if tag == Any || m.Tag == tag {
			return m
		}
	}
	return nil
}

// Queues is the matching state of one rank. The zero value is not ready: use New.
type Queues struct {
	groups map[uint64]*group
	flows  map[key]*flow
	// near are flows looked up lately, by source: messages come in rows.
	near [8]*flow
	seq  uint64
	// rows are the flows that may have slips.
	rows []*flow
	// Unfold makes a Recv of a slip, whose place is used again when it returns.
	Unfold func(*Slip) *Recv
	// Unexpected is the number of messages that wait for a receive.
	Unexpected int
}

type key struct {
	group uint64
	src   int32
}

// New returns empty queues.
func New() *Queues {
	return &Queues{groups: make(map[uint64]*group), flows: make(map[key]*flow)}
}

func (q *Queues) group(id uint64) *group {
	g := q.groups[id]
	if g == nil {
		g = &group{flows: make(map[int32]*flow)}
		q.groups[id] = g
	}
	return g
}

// find returns the flow of (id, src), nil if they have not met.
func (q *Queues) find(id uint64, src int32) *flow {
	at := &q.near[uint32(src)%uint32(len(q.near))]
	if f := *at; f != nil && f.id == id && f.src == src {
		return f
	}
	f := q.flows[key{id, src}]
	if f != nil {
		*at = f
	}
	return f
}

func (q *Queues) flow(id uint64, src int32) *flow {
	f := q.find(id, src)
	if f == nil {
		g := q.group(id)
		f = &flow{id: id, src: src, group: g}
		g.flows[src] = f
		q.flows[key{id, src}] = f
	}
	return f
}

// Post offers a receive: it returns the message that it takes, removed, or
// queues r and returns nil.
func (q *Queues) Post(r *Recv) *Msg {
	l := (*recvList)(nil)
	if r.Src == Any {
		if m := q.Peek(r.Group, r.Src, r.Tag); m != nil {
			q.Remove(m)
			return m
		}
		q.UnfoldAll()
		l = &q.group(r.Group).anySource
	} else {
		f := q.flow(r.Group, r.Src)
		if !f.row.empty() {
			q.unfold(f)
		}
		if m := f.oldest(r.Tag); m != nil {
			q.Remove(m)
			return m
		}
		l = &f.posted
	}
	q.push(l, r)
	return nil
}

func (q *Queues) push(l *recvList, r *Recv) {
	q.seq++
	r.seq = q.seq
	l.push(r)
}

// Peek returns the message that a receive of (group, src, tag) would take.
func (q *Queues) Peek(groupID uint64, src, tag int32) *Msg {
	if src == Any {
		g := q.groups[groupID]
		if g == nil {
			return nil
		}
		for m := g.head; m != nil; m = m.nextGroup {
			if tag == Any || m.Tag == tag {
				return m
			}
		}
		return nil
	}
	f := q.find(groupID, src)
	if f == nil {
		return nil
	}
	return f.oldest(tag)
}

// Arrive offers a message: it returns the receive that takes it, removed, or
// queues m and returns nil.
func (q *Queues) Arrive(m *Msg) *Recv {
	if r := q.Take(m.Group, m.Src, m.Tag); r != nil {
		return r
	}
	q.Keep(m)
	return nil
}

// Take removes and returns the receive that a message of (group, src, tag)
// would go to, or nil.
func (q *Queues) Take(groupID uint64, src, tag int32) *Recv {
	r := q.First(groupID, src, tag)
	if r != nil {
		r.list.remove(r)
	}
	return r
}

// First returns the receive that Take would.
func (q *Queues) First(groupID uint64, src, tag int32) *Recv {
	f := q.flow(groupID, src)
	if !f.row.empty() {
		q.unfold(f)
	}
	r := f.posted.first(tag)
	if a := f.group.anySource.first(tag); a != nil && (r == nil || a.seq < r.seq) {
		r = a
	}
	return r
}

// Keep queues a message for which Take found no receive.
func (q *Queues) Keep(m *Msg) {
	f := q.flow(m.Group, m.Src)
	m.flow = f
	m.prev, m.next = f.tail, nil
	if f.tail == nil {
		f.head = m
	} else {
		f.tail.next = m
	}
	f.tail = m
	g := f.group
	m.prevGroup, m.nextGroup = g.tail, nil
	if g.tail == nil {
		g.head = m
	} else {
		g.tail.nextGroup = m
	}
	g.tail = m
	q.Unexpected++
}

// Remove takes a queued message out; it does nothing to one that is not queued.
func (q *Queues) Remove(m *Msg) {
	f := m.flow
	if f == nil {
		return
	}
	if m.prev == nil {
		f.head = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		f.tail = m.prev
	} else {
		m.next.prev = m.prev
	}
	g := f.group
	if m.prevGroup == nil {
		g.head = m.nextGroup
	} else {
		m.prevGroup.nextGroup = m.nextGroup
	}
	if m.nextGroup == nil {
		g.tail = m.prevGroup
	} else {
		m.nextGroup.prevGroup = m.prevGroup
	}
	m.flow, m.prev, m.next, m.prevGroup, m.nextGroup = nil, nil, nil, nil, nil
	q.Unexpected--
}

// Posted tells whether r waits for a message.
func (r *Recv) Posted() bool { return r.list != nil }

// Cancel takes a posted receive out and says whether it was still posted.
func (q *Queues) Cancel(r *Recv) bool {
	if r.list == nil {
		return false
	}
	r.list.remove(r)
	return true
}

// Recvs returns the posted receives for which keep says true, in no certain
// order; they stay posted.
func (q *Queues) Recvs(keep func(*Recv) bool) []*Recv {
	q.UnfoldAll()
	var out []*Recv
	collect := func(l *recvList) {
		for r := l.head; r != nil; r = r.next {
			if keep(r) {
				out = append(out, r)
			}
		}
	}
	for _, g := range q.groups {
		collect(&g.anySource)
		for _, f := range g.flows {
			collect(&f.posted)
		}
	}
	return out
}

// Msgs returns the unexpected messages for which keep says true, oldest first
// within a group; they stay queued.
func (q *Queues) Msgs(keep func(*Msg) bool) []*Msg {
	var out []*Msg
	for _, g := range q.groups {
		for m := g.head; m != nil; m = m.nextGroup {
			if keep(m) {
				out = append(out, m)
			}
		}
	}
	return out
}

// Drop forgets a group and everything queued in it.
func (q *Queues) Drop(groupID uint64) {
	g := q.groups[groupID]
	if g == nil {
		return
	}
	for g.head != nil {
		q.Remove(g.head)
	}
	q.UnfoldAll() // rows know flows
	q.near = [len(q.near)]*flow{}
	for src := range g.flows {
		delete(q.flows, key{groupID, src})
	}
	delete(q.groups, groupID)
}
