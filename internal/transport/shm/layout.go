package shm

import (
	"errors"
	"fmt"
	"unsafe"

	"gridrun/internal/waittable"
)

const (
	// magic and version open a segment; both ends must have the same.
	magic   = 0x316d687364697267 // "gridshm1"
	version = 6

	// MaxProcs bounds the processes of one host: 256 GiB of (sparse) rings.
	MaxProcs = 1024
	// maxRanks bounds the wait tables: 128 MiB of (sparse) memory.
	maxRanks = 1 << 18

	line       = 64 // bytes of a cache line
	headerSize = 2 * line
	pageSize   = 4096
)

// ErrSegment is memory that no gridrun of this build has laid out.
var ErrSegment = errors.New("not a gridrun shared segment")

// ErrBuild is a segment that another build of gridrun has laid out: an ErrSegment, too.
var ErrBuild = fmt.Errorf("%w of this build", ErrSegment)

// layout is where everything lies, in bytes from the start of the segment; a
// pure function of the numbers of processes and ranks.
type layout struct {
	procs, ranks int

	ids      int // int32 process numbers, then int32 world ranks
	slots    int // one slot a process
	slotSize int
	waits    int // waittable.RankSize a rank
	dir      int // uint32 [from][to]: 1 + index of the ring, 0: none yet
	pool     int // rings, ringStride apart
	boards   int // a page that says which are taken, then boards, boardSize apart
	stores   int // storeSize a process
	total    int

	boardSize int
}

func align(n, to int) int { return (n + to - 1) &^ (to - 1) }

func layoutOf(procs, ranks int) (layout, error) {
	if procs < 1 || procs > MaxProcs {
		return layout{}, fmt.Errorf("%d processes on one host, whose shared segment takes 1 to %d; --ranks-per-process K puts K ranks into each", procs, MaxProcs)
	}
	if ranks < 0 || ranks > maxRanks {
		return layout{}, fmt.Errorf("shared segment for %d ranks, it takes at most %d", ranks, maxRanks)
	}
	l := layout{procs: procs, ranks: ranks}
	words := (procs + 63) / 64
	l.ids = headerSize
	l.slots = align(l.ids+4*(procs+ranks), line)
	l.slotSize = align(int(unsafe.Sizeof(slot{}))+8*words, line)
	l.waits = align(l.slots+procs*l.slotSize, line)
	l.dir = align(l.waits+ranks*waittable.RankSize, line)
	l.pool = align(l.dir+4*procs*procs, pageSize)
	l.boards = align(l.pool+procs*procs*ringStride, pageSize)
	l.boardSize = shapeOf(max(ranks, 1), max(ranks, 1)).Size()
	l.stores = align(l.boards+pageSize+maxBoards*l.boardSize, pageSize)
	l.total = l.stores + procs*storeSize
	return l, nil
}

// header is the start of a segment.
type header struct {
	magic    uint64
	version  uint32
	procs    uint32
	ranks    uint32
	ringSize uint32
	total    uint64
	cpus     uint32 // processors of the host, as its agent sees them
	quota    uint32 // thousandths of processors whose time the processes may use
	looked   int64  // when a process last looked who waits where: see spread.go
	_        [line - 48]byte
	rings    uint32 // rings handed out so far; atomic, on its own cache line
}

// check reads the layout from a header and compares it with size, the bytes of
// the file.
func (h *header) check(size int64) (layout, error) {
	switch {
	case h.magic != magic:
		return layout{}, fmt.Errorf("%w: it starts with %#x", ErrSegment, h.magic)
	case h.version != version:
		return layout{}, fmt.Errorf("%w: its layout has version %d, this program's %d", ErrBuild, h.version, version)
	case h.ringSize != ringSize:
		return layout{}, fmt.Errorf("%w: its rings have %d bytes, this program's %d", ErrBuild, h.ringSize, ringSize)
	}
	l, err := layoutOf(int(h.procs), int(h.ranks))
	if err != nil {
		return layout{}, fmt.Errorf("%w: %w", ErrSegment, err)
	}
	if h.total != uint64(l.total) || size != int64(l.total) {
		return layout{}, fmt.Errorf("%w: %d bytes (%d by its header) where %d processes and %d ranks need %d", ErrSegment, size, h.total, l.procs, l.ranks, l.total)
	}
	return l, nil
}
