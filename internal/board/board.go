package board

import (
	"fmt"
	"sync/atomic"
	"unsafe"
)

const (
	line = 64
	page = 4096

	// Inline is the most bytes that travel within a post.
	Inline = 48
	// rounds is how many turns a post stays.
	rounds = 4
	// few is the most members that look at each other's posts.
	few = 4
	// pipeSlots are the pieces of a broadcast under way at once.
	pipeSlots = 8
)

// A Shape is what determines a board's layout.
type Shape struct {
	Members int
	Stage   int // bytes of a stage: a multiple of 64
	Pipe    int // bytes of a slot of the pipe: a multiple of 64
}

// layout has offsets in bytes.
type layout struct {
	Shape
	rounds, asleep, pipe, ring, tree, posts, results, slots, stages int
	total                                                           int
}

func align(n, to int) int { return (n + to - 1) &^ (to - 1) }

func (s Shape) layout() layout {
	l := layout{Shape: s}
	l.rounds = line
	l.asleep = l.rounds + rounds*int(unsafe.Sizeof(round{}))
	l.pipe = align(l.asleep+8*((s.Members+63)/64), line)
	l.ring = l.pipe + (1+pipeSlots)*line
	l.tree = l.ring + ringLines(s.Members)*line
	l.posts = l.tree + s.Members*line
	l.results = align(l.posts+s.Members*rounds*line, page)
	l.slots = align(l.results+2*s.Stage, page)
	l.stages = align(l.slots+pipeSlots*s.Pipe, page)
	l.total = align(l.stages+2*s.Stage*s.Members, page)
	return l
}

// Size is the memory that a board of this shape takes.
func (s Shape) Size() int { return s.layout().total }

// round is what all members share of every fourth turn.
type round struct {
	arrived uint32 // by all members in all turns of this round; wraps
	_       uint32
	head    uint64 // turn<<32 | hash of the call, of the first to arrive
	_       [line - 16]byte

	released uint32 // the turn that is complete
	stalled  uint32 // arrived, when somebody has waited for more in vain
	_        [8]byte
	result   [Inline]byte
}

// A post is what one member shows in a turn.
type post struct {
	turn uint32 // written last
	_    uint32
	head Head
	data [Inline]byte
}

// control is the start of a board.
type control struct {
	closed   uint32 // members that will not come back
	sleepers uint32
	_        [line - 8]byte
}

// A Head says which call a member is in; all of a group must be in the same.
type Head uint64

// NewHead packs an operation, its root + 1 and the signature of the rest.
func NewHead(op uint8, root uint16, elem uint32) Head {
	return Head(elem)<<32 | Head(root)<<8 | Head(op)
}

func (h Head) Op() uint8    { return uint8(h) }
func (h Head) Root() uint16 { return uint16(h >> 8) }
func (h Head) Elem() uint32 { return uint32(h >> 32) }

func (h Head) hash() uint32 { return uint32(h>>32) ^ uint32(h)*2654435761 }

// A Board is a view of the shared memory.
type Board struct {
	layout
	// Own says that the members are goroutines of one process.
	Own bool
	// CPUs is how many processors the members share, with others perhaps.
	CPUs int

	mem []byte
	ctl *control
	// lent is what the members of one process lend each other, in turns two by two.
	lent [][]byte
	// withdrawn: a member has left a call in which it had lent something; touching are
	// those that use what others lend.
	withdrawn atomic.Bool
	touching  atomic.Int32
	never     uint32
}

// At views mem, zero at first and aligned to 64 bytes, as a board.
func At(mem []byte, s Shape) (*Board, error) {
	l := s.layout()
	if len(mem) < l.total || s.Members < 1 || s.Stage%line != 0 || s.Pipe%line != 0 {
		return nil, fmt.Errorf("a board of %d members with stages of %d bytes in %d bytes of memory", s.Members, s.Stage, len(mem))
	}
	b := &Board{layout: l, mem: mem[:l.total]}
	b.ctl = (*control)(b.at(0))
	return b, nil
}

// Make makes a board in ordinary memory, for the ranks of one process.
func Make(s Shape) *Board {
	words := make([]uint64, s.Size()/8+line/8)
	mem := unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), 8*len(words))
	skip := int(-uintptr(unsafe.Pointer(&words[0])) & (line - 1))
	b, err := At(mem[skip:], s)
	if err != nil {
		panic(err) // the shape is the program's own
	}
	b.Own = true
	b.lent = make([][]byte, 2*s.Members)
	return b
}

func (b *Board) at(off int) unsafe.Pointer { return unsafe.Pointer(&b.mem[off]) }

func (b *Board) round(turn uint64) *round {
	return (*round)(b.at(b.rounds + int(turn%rounds)*int(unsafe.Sizeof(round{}))))
}

func (b *Board) post(member int, turn uint64) *post {
	return (*post)(b.at(b.posts + (member*rounds+int(turn%rounds))*line))
}

// StageOf is the buffer of a member in a turn.
func (b *Board) StageOf(member int, turn uint64) []byte {
	off := b.stageAt(member, turn)
	return b.mem[off : off+b.Stage : off+b.Stage]
}

// stageAt is where it begins; those of a turn stand one after the other.
func (b *Board) stageAt(member int, turn uint64) int {
	return b.stages + (int(turn%2)*b.Members+member)*b.Stage
}

// Result is the common buffer of a turn.
func (b *Board) Result(turn uint64) []byte {
	off := b.results + int(turn%2)*b.Stage
	return b.mem[off : off+b.Stage : off+b.Stage]
}

func (b *Board) slot(piece uint64) []byte {
	off := b.slots + int(piece%pipeSlots)*b.Pipe
	return b.mem[off : off+b.Pipe : off+b.Pipe]
}

// filled counts the pieces that have been put into the pipe, taken what has been
// taken out of one slot; both wrap.
func (b *Board) filled() *uint32 { return (*uint32)(b.at(b.pipe)) }
func (b *Board) taken(piece uint64) *uint32 {
	return (*uint32)(b.at(b.pipe + (1+int(piece%pipeSlots))*line))
}

// Close says that a member will not come back; true for the last one.
func (b *Board) Close() bool { return atomic.AddUint32(&b.ctl.closed, 1) == uint32(b.Members) }

func (b *Board) bits() []uint64 {
	return unsafe.Slice((*uint64)(b.at(b.asleep)), (b.Members+63)/64)
}

// Asleep says that a member is about to sleep, or no longer does. A sleeper looks
// at what it waits for once more after it has said so.
func (b *Board) Asleep(member int, is bool) {
	w, bit := &b.bits()[member/64], uint64(1)<<(member%64)
	if is {
		atomic.OrUint64(w, bit)
		atomic.AddUint32(&b.ctl.sleepers, 1)
		return
	}
	atomic.AndUint64(w, ^bit)
	atomic.AddUint32(&b.ctl.sleepers, ^uint32(0))
}

func (b *Board) anyAsleep() bool { return atomic.LoadUint32(&b.ctl.sleepers) != 0 }
