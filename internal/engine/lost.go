package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

func (p *Proc) allFinished() error {
	return fmt.Errorf("%w: every other rank of the group has finished", ErrPeerLost)
}

// lost ends everything that waits for world rank w, which has ended as e says.
func (rk *Rank) lost(w int, e *end) {
	rk.mu.Lock()
	var ended []*Request
	for _, rv := range rk.queues.Recvs(func(rv *match.Recv) bool {
		r := rv.Value.(*Request)
		return r.peer == int32(w) || r.peer < 0 && r.comm.groupRank(w) >= 0
	}) {
		r := rv.Value.(*Request)
		if err := rk.hopeless(r); err != nil && rk.cancel(r) {
			r.err = err
			ended = append(ended, r)
		}
	}
	for _, r := range append([]*Request(nil), rk.probes...) {
		if err := rk.hopeless(r); err != nil && rk.dropProbe(r) {
			r.err = err
			ended = append(ended, r)
		}
	}
	// A rendezvous with it cannot go on. But data that is on its way from a
	// process that lives arrives, and nobody else may have the buffer meanwhile.
	ended = append(ended, rk.giveUp(rk.sends, w, e)...)
	if !e.survived {
		ended = append(ended, rk.giveUp(rk.recvs, w, e)...)
	}
	told := rk.tellAgreements(w)
	rk.mu.Unlock()
	if rk.lent.to.Load() != nil { // seldom, and the error takes longer than all else here
		rk.lent.takeBack(rk.proc.lostError(w), func(r *Request) bool { return r.peer == int32(w) })
	}
	for _, r := range ended {
		r.finish(r.err)
	}
	told.carryOut()
}

// missing says why a message of whose data only the envelope has come will not be
// received: its sender has ended. It stays in its place, where the receive that takes
// it fails: what the sender sent later is not what that receive is for.
func (rk *Rank) missing(h *wire.Header) error {
	if h.Kind != wire.RTS {
		return nil
	}
	return rk.proc.lostError(int(h.Src))
}

// dropMissing forgets such messages of a group. Called with rk.mu held.
func (rk *Rank) dropMissing(group uint64) {
	for _, m := range rk.queues.Msgs(func(m *match.Msg) bool {
		return m.Group&^collective == group && rk.missing(&m.Value.(*message).header) != nil
	}) {
		rk.queues.Remove(m)
	}
}

// idle says that nothing of the rank waits for another.
func (rk *Rank) idle() bool {
	rk.mu.Lock()
	defer rk.mu.Unlock()
	for _, a := range rk.agreements {
		if a.machine != nil && !a.machine.Over() {
			return false
		}
	}
	return len(rk.sends)+len(rk.recvs)+len(rk.probes) == 0 &&
		len(rk.queues.Recvs(func(*match.Recv) bool { return true })) == 0
}

// giveUp takes the transfers with world rank w, which has ended as e says, out of a
// table, for the caller to finish. Called with rk.mu held.
func (rk *Rank) giveUp(table map[uint64]*Request, w int, e *end) (ended []*Request) {
	for id, r := range table {
		if e.writes && r.shown != nil {
			continue
		}
		if r.peer == int32(w) || r.peer < 0 && r.comm.groupRank(w) == r.status.Source {
			delete(table, id)
			if r.shown != nil {
				delete(rk.shown, id)
			}
			r.err = rk.proc.lostError(w)
			ended = append(ended, r)
		}
	}
	return ended
}

// orphaned ends the receives whose data a rank's process would still have sent
// after the rank's end: now the process has ended, too.
func (rk *Rank) orphaned(w int, e *end) {
	rk.mu.Lock()
	ended := rk.giveUp(rk.recvs, w, e)
	rk.mu.Unlock()
	for _, r := range ended {
		r.finish(r.err)
	}
}

// Revoke ends every pending and later operation on the group, at every member,
// with the same cause.
func (c *Comm) Revoke(cause error) {
	if !c.rank.revoked(c.id, revocation(cause)) {
		return
	}
	for i := range c.size {
		c.rank.passOn(c.members[i], c.id, cause)
	}
}

// passRevoke takes a Revoke frame. Where the job goes on without its dead, who
// began may have died before it had told everybody, so whoever hears of it first
// tells the members at distance 1, 2, 4, ... on both sides: a binomial graph,
// which stays connected unless that many neighbours die at once (Angskun,
// Bosilca and Dongarra, 2007; for revoking: Bouteiller et al., 2015).
func (rk *Rank) passRevoke(h *wire.Header, cause error) {
	if !rk.revoked(h.Group, cause) || !rk.proc.Continue {
		return
	}
	rk.mu.Lock()
	members := rk.group(h.Group).members
	rk.mu.Unlock()
	n, me := len(members), slices.Index(members, int32(rk.world))
	if me < 0 {
		return // this rank has not made the group yet, and has nobody to tell
	}
	for d := 1; d < n; d *= 2 {
		rk.passOn(members[(me+d)%n], h.Group, cause)
		rk.passOn(members[(me+n-d)%n], h.Group, cause)
	}
}

// passOn tells world rank w, unless it is this one or has ended.
func (rk *Rank) passOn(w int32, group uint64, cause error) {
	if int(w) != rk.world && rk.proc.gone[w].Load() == nil {
		rk.tellRevoked(int(w), group, cause)
	}
}

// tellRevoked tells world rank w that the group is revoked, and why.
func (rk *Rank) tellRevoked(w int, group uint64, cause error) {
	text := revocation(cause).text
	if len(text) > maxCause {
		text = text[:maxCause]
	}
	rk.proc.post(&transport.Frame{Header: wire.Header{
		Kind: wire.Revoke, Src: int32(rk.world), Dst: int32(w), Group: group,
		Flags: causeFlags(cause), Len: uint64(len(text)), Body: uint32(len(text)),
	}, Body: []byte(text)})
}

// dropRTS tells the sender of an RTS that nobody will receive its message, for
// the group is revoked.
func (rk *Rank) dropRTS(h *wire.Header, cause error) {
	rk.tellRevoked(int(h.Src), h.Group&^collective, cause)
	if h.Off != 0 { // see Request.offered
		rk.control(&wire.Header{Kind: wire.Cancelled, Dst: h.Src, Send: h.Send})
	}
}

// maxCause bounds the text that a Revoke frame carries.
const maxCause = 1024

// causes are the errors that keep their identity across a Revoke frame.
var causes = []error{ErrPeerLost, ErrAborted, ErrMismatch, ErrType, ErrTruncated, context.Canceled, context.DeadlineExceeded}

func causeFlags(err error) (flags uint16) {
	for i, c := range causes {
		if errors.Is(err, c) {
			flags |= 1 << i
		}
	}
	return flags
}

// A revokedError is ErrRevoked and its cause, in one text on every member.
type revokedError struct {
	text string
	is   []error
}

func (e *revokedError) Error() string   { return "group revoked: " + e.text }
func (e *revokedError) Unwrap() []error { return e.is }

func revocation(cause error) *revokedError {
	var r *revokedError
	if errors.As(cause, &r) {
		return r
	}
	return &revokedError{cause.Error(), append(decodeFlags(causeFlags(cause)), ErrRevoked)}
}

func decodeRevoke(h *wire.Header, body []byte) error {
	return &revokedError{strings.ToValidUTF8(string(body), "?"), append(decodeFlags(h.Flags), ErrRevoked)}
}

func decodeFlags(flags uint16) (errs []error) {
	for i, c := range causes {
		if flags&(1<<i) != 0 {
			errs = append(errs, c)
		}
	}
	return errs
}

// revoked ends the group on this rank; false if it was revoked before.
func (rk *Rank) revoked(id uint64, err error) bool {
	rk.mu.Lock()
	g := rk.group(id)
	if g.revoked != nil {
		rk.mu.Unlock()
		return false
	}
	g.revoked = err
	g.dead.Store(true)
	ended, envelopes, credit := rk.clear(id)
	var offered []wire.Header
	for sid, r := range rk.sends {
		switch {
		case r.comm.id != id:
		case r.offered: // the receiver may be copying: it has the last word
			if r.canceled == nil {
				r.canceled = err
				offered = append(offered, wire.Header{Kind: wire.Cancel, Dst: r.peer, Send: sid})
			}
		default:
			delete(rk.sends, sid)
			ended = append(ended, r)
		}
	}
	rk.queues.Drop(id)
	rk.queues.Drop(id | collective)
	for _, m := range envelopes {
		if l := m.Value.(*message).lender; l != nil {
			spin.Store(&l.taken, 1)
		}
	}
	rk.mu.Unlock()
	rk.lent.takeBack(err, func(r *Request) bool { return r.comm.id == id })
	rk.proc.sleeping.rouse(true)
	rk.revokeParts(id, err)
	for _, r := range ended {
		r.finish(err)
	}
	for peer, owed := range credit {
		rk.repay(peer, owed)
	}
	// Their senders wait for an answer; who began the revocation may have died
	// before it told them.
	for _, m := range envelopes {
		msg := m.Value.(*message)
		rk.dropRTS(&msg.header, err)
		if msg.lender != nil {
			msg.lender.end(err)
		}
	}
	for i := range offered {
		rk.control(&offered[i])
	}
	return true
}

// mix spreads the bits of a group's ancestry over its id (splitmix64's finaliser,
// Steele, Lea and Flood 2014).
func mix(parent uint64, call uint32, color int64) uint64 {
	var b [20]byte
	binary.LittleEndian.PutUint64(b[:], parent)
	binary.LittleEndian.PutUint32(b[8:], call)
	binary.LittleEndian.PutUint64(b[12:], uint64(color))
	x := uint64(14695981039346656037)
	for _, c := range b {
		x = (x ^ uint64(c)) * 1099511628211
	}
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	return x &^ collective
}
