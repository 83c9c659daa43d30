package engine

import (
	"context"
	"time"

	"gridrun/internal/trace"
	"gridrun/internal/waittable"
)

// What an observed rank records (package trace), and where:
//
//	Request.start      a message, by operation and class of pair   under rank.mu
//	Rank.await         a wait that outlives its polling phase
//	Comm.begin, End    a collective call
//	Request.Wait ...   for a timeline: a user's message, sent or received
//
// rank.rec is nil when nobody wants to know.

// clock is the time when a timeline is recorded, else 0.
func (rk *Rank) clock() int64 {
	if !rk.tracing {
		return 0
	}
	return rk.rec.Now()
}

// class says how far away world rank r is.
func (p *Proc) class(r int32) trace.Class {
	q := p.Topology.RankProc[r]
	switch {
	case q == p.Proc:
		return trace.SameProcess
	case p.Topology.ProcHost[q] == p.Topology.ProcHost[p.Proc]:
		return trace.SameHost
	}
	return trace.OtherHost
}

// waited records that c has been waited for since begin.
func (rk *Rank) waited(c condition, begin int64) {
	w := c.wait()
	rk.rec.Waited(trace.Wait{Begin: begin, Group: w.Group, Peer: w.Peer, Tag: w.Tag, Op: uint32(w.Op)})
}

// record notes a message of the user's for the timeline, once: when the call
// that sends it, or waits for it, returns.
func (r *Request) record() {
	e := trace.Event{Kind: trace.Out, Op: uint8(r.op), Begin: r.began, Peer: r.peer, Tag: int32(r.tag),
		Group: r.comm.id, Bytes: uint64(len(r.buf)), ID: r.msg}
	r.began = 0
	if r.kind == receiving {
		e.Kind = trace.In
		if r.err == nil && r.status.Source >= 0 {
			e.Peer, e.Tag, e.Bytes = r.comm.members[r.status.Source], int32(r.status.Tag), r.total
		}
	}
	r.rank.rec.Add(e, "")
}

// waitRecorded is Wait for a request that the timeline shows. A receive that was
// posted earlier shows as the wait for it.
func (r *Request) waitRecorded(ctx context.Context) {
	if r.op == OpIRecv {
		r.began = r.rank.clock()
	}
	if err := r.rank.await(ctx, r); err != nil {
		r.rank.takeBack(r, err)
	}
	r.record()
}

// Chose tells which algorithm a call uses, for a buffer of so many bytes.
func (k *Call) Chose(algorithm string, bytes int) {
	if rec := k.comm.rank.rec; rec != nil {
		rec.Brought(uint8(k.op), bytes)
		k.algorithm, k.bytes = algorithm, bytes
	}
}

// record notes the call for the timeline, once.
func (k *Call) record() {
	root := int32(-1)
	if k.flags > 0 && int(k.flags) <= k.comm.size {
		root = k.comm.members[k.flags-1]
	}
	k.comm.rank.rec.Add(trace.Event{Kind: trace.Collective, Op: uint8(k.op), Begin: k.began, Peer: root, Tag: -1,
		Seq: k.seq, Group: k.comm.id, Bytes: uint64(k.bytes)}, k.algorithm)
	k.began = 0
}

// Observe has the rank publish its waits or not, and record what it does or not, if
// it has a recorder: measurements of what that costs switch it. No call of the
// rank may be under way.
func (c *Comm) Observe(waits, records bool) {
	rk := c.rank
	rk.table, rk.rec = waittable.Table{}, nil
	if waits {
		rk.table = rk.given.table
	}
	if records {
		rk.rec = rk.given.rec
	}
	rk.tracing = rk.rec != nil && rk.rec.Tracing()
}

// Recorder is where what this rank does is noted; nil: nowhere.
func (c *Comm) Recorder() *trace.Recorder { return c.rank.rec }

// Blocked publishes a wait that is not the engine's own (a cache's, say) since
// now; the func returned ends it.
func (c *Comm) Blocked(op Op, since time.Time) func() {
	rk := c.rank
	w := waittable.Wait{Op: uint8(op), Peer: -1, Tag: -1, Group: c.id, Since: since}
	slot := rk.table.Enter(w)
	return func() {
		rk.table.Leave(slot)
		if rk.rec != nil {
			begin := rk.rec.Now() - int64(time.Since(since))
			rk.rec.Waited(trace.Wait{Begin: begin, Group: w.Group, Peer: w.Peer, Tag: w.Tag, Op: uint32(op)})
		}
	}
}
