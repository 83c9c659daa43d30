package tcp

import (
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

var _ transport.Pusher = (*link)(nil)

// Push implements transport.Pusher: where nobody writes and nothing waits, one system
// call under the link's lock. A frame that the kernel takes in part only is finished
// like a batch: by who polls, when there is room.
func (l *link) Push(what, ranks, group, tags, counts uint64, body []byte) bool {
	if len(body) > smallBody {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != up || l.err != nil || l.leaving || !l.conn.polled || l.conn.sealed || !l.free() || l.queue.head != nil || !l.conn.out.empty() {
		return false
	}
	o := &l.conn.out
	h := wire.Header{
		Kind: wire.Eager, Op: uint8(what), Flags: uint16(what >> 8), Body: uint32(len(body)), Len: uint64(len(body)),
		Src: int32(ranks), Dst: int32(ranks >> 32), Group: group, Tag: int32(tags), Elem: uint32(tags >> 32),
		Credit: uint32(counts), Seq: uint32(counts >> 32),
	}
	n, err := l.conn.write(o.single(&h, body), false)
	if n <= 0 || err != nil { // it is as if nothing had happened; Post says what is wrong
		o.iov = nil
		return false
	}
	if o.wrote(n); len(o.iov) > 0 {
		l.conn.full = true
		l.n.watchFor(l)
	}
	return true
}

// single makes a batch of one short frame that has no owner.
func (o *output) single(h *wire.Header, body []byte) [][]byte {
	size := wire.HeaderSize + len(body)
	if cap(o.headers) < size {
		o.headers = make([]byte, wire.HeaderSize+smallBody)
	}
	b := o.headers[:size]
	h.Encode(b)
	copy(b[wire.HeaderSize:], body)
	o.iov, o.ends, o.written = append(o.slots[:0], b), nil, 0
	o.slots = o.iov
	return o.iov
}
