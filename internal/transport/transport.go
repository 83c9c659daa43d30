// Package transport says what carries frames between the processes of a job.
// Its rooms are mem (a process to itself), shm (processes of one host) and tcp
// (hosts); transporttest is the one suite that networks pass, and rt's tests run
// over all three, alone and mixed.
//
// A process has one [Network] of each kind it needs, and one [Sink], the
// engine. Networks know processes, not ranks; frames name ranks.
package transport

import (
	"errors"

	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// ErrLeft is the Down error of a peer that closed its network in good order.
var ErrLeft = errors.New("the process has left")

// EagerMax bounds the Body of every frame that is not Data, but see [Placer]: such a
// body travels in one piece, and a shared-memory ring must have room for it.
const EagerMax = 16 << 10

// A Frame is one message of the data plane on its way out. Header.Body is
// ignored: for all kinds but Data the transport sends Body whole (at most
// EagerMax bytes), for Data it cuts Body into pieces as it likes, setting
// Off (counted from the Header's Off) and Body of each.
//
// The frame and its Body belong to the link from Post until Sink.Sent.
type Frame struct {
	wire.Header
	Body []byte
	// Owner is for the poster: Sent hands it back.
	Owner any
	// Next links frames in a transport's queue; nobody else uses it.
	Next *Frame
	// Done is for the transport: bytes of Body already on their way.
	Done int
}

// A Sink takes what a network brings. Its methods are called from the network's
// own goroutines, from Poll and from Post; they never block and may Post.
// For one peer process, calls come one at a time and in the order of sending.
type Sink interface {
	// Arrived takes a frame of any kind but Data. body is valid during the call only.
	Arrived(from int, h *wire.Header, body []byte)
	// Place returns where the h.Body bytes of this Data piece, or of this long Eager
	// frame ([Placer]), belong, or nil to drop them; Placed follows with the same h,
	// which Place may have changed, when they are there. Pieces of Data may come
	// between the two.
	Place(from int, h *wire.Header) []byte
	Placed(from int, h *wire.Header)
	// Sent gives f back: its bytes are copied out (err nil) or the link is down.
	Sent(f *Frame, err error)
	// Down says that no further frame will come from process p and that posting
	// to it fails with err. Called at most once a peer, after the last Arrived.
	Down(p int, err error)
}

// A BatchSink is a Sink that would rather take short frames together.
type BatchSink interface {
	Sink
	// ArrivedAll is Arrived for each of some Eager frames, in order; bodies[i] is
	// that of hs[i].
	ArrivedAll(from int, hs []wire.Header, bodies [][]byte)
}

// A Link leads to one process.
type Link interface {
	// Post queues f behind what was posted before and never blocks. Sent may be
	// called before Post returns. Safe for concurrent use.
	Post(f *Frame)
}

// A Pusher is a Link that can take a short frame at once.
type Pusher interface {
	// Push sends an Eager frame behind what was posted before. It neither queues nor
	// calls the Sink: where it would have to, it does nothing and returns false. body
	// is the caller's again when it returns. Safe for concurrent use.
	//
	// The header comes in registers, two fields a word, the first one below: Op and
	// Flags (from bit 8 on); Src and Dst; Group; Tag and Elem; Credit and Seq. In
	// memory its fields would be read in wider pieces than they were just written, and
	// such a read waits until the message before has left the processor.
	Push(what, ranks, group, tags, counts uint64, body []byte) bool
}

// A Puller is a Link to a process whose memory this one can read, where the
// system allows it: the receiver of a long message then copies it itself, once.
type Puller interface {
	// Pull fills dst from address addr of the process's memory. False: it
	// cannot, now or ever, or the process has ended; dst may have changed.
	Pull(dst []byte, addr uint64) bool
	// Attended tells whether a goroutine of the process waits in the engine, and
	// so would send what it is asked for at once. It may be wrong.
	Attended() bool
	// Rouse has the process's background poller look now.
	Rouse()
}

// A Putter is a Puller between whose ends receives can be shown: that of a process
// that computes is completed by its sender alone, which writes to its memory.
type Putter interface {
	Puller
	// Show lets the process see a receive that waits for it. False: there is no
	// room; what is shown says of everything that has come so far that it came before.
	Show(o Shown) bool
	// Hide takes a receive back. False: the process has taken it, for a message
	// that is on its way; Forget follows when that has come.
	Hide(id uint64) bool
	Forget(id uint64)
	// Shows tells whether Take would find one now.
	Shows(h wire.Header) bool
	// Take finds a receive that the process has shown for the envelope h, and which
	// none of the frames posted so far can be for; nobody can hide it any more.
	Take(h wire.Header) (o Shown, ok bool)
	// Put copies x to address addr of the process's memory. False: it cannot, or
	// the process has ended.
	Put(x []byte, addr uint64) bool
}

// A Storer is a Link to a process with which this one shares memory: messages can be
// left there. Safe for concurrent use.
type Storer interface {
	// Store copies x to this process's part of that memory and says where; false: there
	// is no room, or nobody left to receive it.
	Store(x []byte) (at uint64, ok bool)
	// Stored is what the other process has stored so, nil if there is no such place.
	// Who sent it may write to it at any time.
	Stored(at, n uint64) []byte
	// Unstore gives that room back.
	Unstore(at, n uint64)
}

// Shown is a receive that one process shows another: of this number, not 0 and not
// used before, from a rank of theirs to one of this process, for the elements and the
// tag, into so many bytes of this process's memory.
type Shown struct {
	ID        uint64
	Group     uint64
	Src, Dst  int32
	Tag       int32
	Elem      uint32
	Addr, Len uint64
}

// An Attended is a Network that shows its peers a word of this process: not 0 while
// a goroutine waits and polls (see [Puller]).
type Attended interface {
	Attention() *uint64
}

// A Spreader is a Network whose processes, where they share processors, keep evenly
// spread over them while they wait. Who waits calls Spread now and then; it is safe for
// concurrent use.
type Spreader interface {
	Spread()
}

// A Placer is a Network that carries longer Eager frames than others, up to
// EagerMax bytes. The bodies of those that it has not got whole when it sees the
// header it delivers by Place and Placed instead of Arrived. Between the two comes
// nothing else from that peer but pieces of Data, and Down.
type Placer interface {
	EagerMax() int
}

// A Network reaches other processes of the job.
type Network interface {
	// Link returns the link to process p; connecting happens by itself, when
	// the first frame is posted.
	Link(p int) Link
	// Kill marks process p as gone: what it has sent is still delivered where
	// the medium allows, then Sink.Down(p, err) follows.
	Kill(p int, err error)
	// Close sends what is queued, as far as the peers still take it, tells them
	// that this process is leaving, and releases everything; it joins all
	// goroutines of the network. After it no Sink method is called.
	Close() error
}

// A Poller is a Network whose frames must be fetched (shared memory, TCP sockets). The
// engine's wait primitive calls it; see engine.
type Poller interface {
	// Poll delivers what is there and moves queued frames on. It returns the
	// number of frames and pieces delivered or sent. At most one goroutine
	// polls at a time (the engine holds the poll token).
	Poll() int
	// Sleep blocks until something may be there to Poll, Wake is called, or,
	// when timeout is positive, that many nanoseconds have passed. The waker
	// and the poller need no lock: Sleep re-checks before it blocks. which is
	// 0 for the goroutine that holds the poll token, 1 for the background
	// poller; a peer that sends rings the one that sleeps.
	Sleep(which int, timeout int64)
	// Doze is Sleep(1) with a timeout that begins anew for as long as p shows that
	// goroutines of this process poll.
	Doze(p *spin.Pulse)
	// Wake ends the Sleep of both, and Doze.
	Wake()
	// Watch says who polls: true while a goroutine is polling (peers need not
	// ring), false when it stops (peers ring the background poller). It
	// returns whether something may be there already when watching stops.
	Watch(on bool) bool
	// Nudge has process p's poller look: its Poll is called soon, though there may
	// be no frame. What the caller has stored in shared memory before is then seen.
	Nudge(p int)
}
