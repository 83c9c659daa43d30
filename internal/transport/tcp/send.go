package tcp

import (
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

const (
	// pieceSize is the body of one Data frame on the wire, in bytes.
	pieceSize = 256 << 10
	// maxBatch frames, or as many as make batchBytes, go in one writev.
	maxBatch   = 32
	batchBytes = 1 << 20
	// longEager is the longest message that is sent without asking for a place. 64 KiB
	// take 10 us, and asking as long again; 1 MiB still fits into the kernel's buffers,
	// so that no peer waits until a computing rank answers.
	longEager = wire.MaxBody
	// smallBody is the largest body that is copied behind its header.
	smallBody = 512
	// directBytes is the largest body that Post writes itself to a stream; larger ones
	// would keep the poster copying.
	directBytes = 64 << 10
)

// queue is a list of frames, linked by their Next.
type queue struct{ head, tail *transport.Frame }

func (q *queue) push(f *transport.Frame) {
	f.Next = nil
	if q.tail == nil {
		q.head = f
	} else {
		q.tail.Next = f
	}
	q.tail = f
}

func (q *queue) pop() *transport.Frame {
	f := q.head
	if q.head = f.Next; q.head == nil {
		q.tail = nil
	}
	f.Next = nil
	return f
}

// join moves all frames of p to the end of q.
func (q *queue) join(p *queue) {
	switch {
	case p.head == nil:
		return
	case q.tail == nil:
		q.head = p.head
	default:
		q.tail.Next = p.head
	}
	q.tail = p.tail
	*p = queue{}
}

// output is what the holder of a link's write side works on. A batch is
// encoded once and written in as many attempts as the kernel wants.
type output struct {
	backlog queue    // frames not yet encoded; the first one perhaps in part
	iov     [][]byte // what remains to be written of the batch
	ends    []end    // frames that end in the batch, in order
	written int      // bytes of the batch

	headers []byte   // memory of the batch's headers
	slots   [][]byte // of iov
	memory  []end    // of ends
}

// end says after how many bytes of the batch a frame is complete.
type end struct {
	f  *transport.Frame
	at int
}

func (o *output) empty() bool { return len(o.iov) == 0 && o.backlog.head == nil }

// fill encodes a batch from the backlog when the last one has been written.
func (o *output) fill() {
	if len(o.iov) > 0 {
		return
	}
	o.headers, o.ends, o.iov, o.written = o.headers[:0], o.memory[:0], o.slots[:0], 0
	size := 0
	for n := 0; n < maxBatch && size < batchBytes && o.backlog.head != nil; n++ {
		f := o.backlog.head
		h := f.Header
		body := f.Body
		if h.Kind == wire.Data {
			body = body[f.Done:min(f.Done+pieceSize, len(body))]
			h.Off += uint64(f.Done)
		}
		h.Body = uint32(len(body))
		f.Done += len(body)
		if len(body) <= smallBody {
			o.header(&h, body)
		} else {
			o.header(&h, nil)
			o.iov = append(o.iov, body)
		}
		size += wire.HeaderSize + len(body)
		if f.Done == len(f.Body) {
			o.ends = append(o.ends, end{o.backlog.pop(), size})
		}
	}
	o.slots, o.memory = o.iov, o.ends
}

// header encodes h, and a small body after it, into memory that nothing else of
// the batch uses: memory that grows leaves earlier headers where they are. What
// lies side by side is written as one slice.
func (o *output) header(h *wire.Header, body []byte) {
	size := wire.HeaderSize + len(body)
	n := len(o.headers)
	if n+size > cap(o.headers) {
		o.headers = make([]byte, 0, min(2*cap(o.headers), maxBatch*wire.HeaderSize)+size)
		n = 0
	}
	o.headers = o.headers[:n+size]
	b := o.headers[n:]
	h.Encode(b)
	copy(b[wire.HeaderSize:], body)
	if last := len(o.iov) - 1; n > 0 && len(o.iov[last]) <= n && &o.iov[last][0] == &o.headers[n-len(o.iov[last])] {
		o.iov[last] = o.headers[n-len(o.iov[last]) : n+size]
		return
	}
	o.iov = append(o.iov, b)
}

// wrote takes n written bytes off the batch and returns the frames that they
// complete; the slice is valid until the next fill.
func (o *output) wrote(n int) []end {
	o.written += n
	for len(o.iov) > 0 && n >= len(o.iov[0]) {
		n -= len(o.iov[0])
		o.iov[0] = nil
		o.iov = o.iov[1:]
	}
	if n > 0 {
		o.iov[0] = o.iov[0][n:]
	}
	k := 0
	for k < len(o.ends) && o.ends[k].at <= o.written {
		k++
	}
	done := o.ends[:k]
	o.ends = o.ends[k:]
	return done
}

// drop returns all frames that are not complete, in order, and forgets them.
func (o *output) drop() queue {
	var q queue
	for _, e := range o.ends {
		q.push(e.f)
	}
	q.join(&o.backlog)
	*o = output{}
	return q
}
