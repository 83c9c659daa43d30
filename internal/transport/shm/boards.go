package shm

import (
	"sync/atomic"
	"unsafe"

	"gridrun/internal/board"
)

const (
	// maxBoards bounds the groups of one host that have a board at the same time;
	// others use messages.
	maxBoards = 64
	// boardBudget bounds a board's stages, all together, and stageMax one of them.
	boardBudget = 32 << 20
	stageMax    = 128 << 10
	pipeSlot    = 128 << 10
)

// shapeOf is the shape of a group's board on a host of so many ranks.
func shapeOf(members, ranks int) board.Shape {
	stage := min(boardBudget/(2*ranks), stageMax) &^ 63
	return board.Shape{Members: members, Stage: max(stage, 64), Pipe: pipeSlot}
}

// World is the board of the group of all ranks, if all are of this host.
func (s *Segment) World() (*board.Board, error) { return s.Board(0, s.ranks) }

// Board returns board id of a group with so many members.
func (s *Segment) Board(id, members int) (*board.Board, error) {
	off := s.boards + pageSize + id*s.boardSize
	return board.At(s.mem[off:off+s.boardSize], shapeOf(members, s.ranks))
}

// taken has a bit for each board.
func (s *Segment) taken() *uint64 { return (*uint64)(unsafe.Pointer(&s.mem[s.boards])) }

// Take reserves a board for a group; false when there is none left.
func (s *Segment) Take() (id int, ok bool) {
	for id := 1; id < maxBoards; id++ {
		bit := uint64(1) << id
		if atomic.LoadUint64(s.taken())&bit == 0 && atomic.OrUint64(s.taken(), bit)&bit == 0 {
			return id, true
		}
	}
	return 0, false
}

// Give returns a board that all members have closed, and its memory.
func (s *Segment) Give(id int) {
	off := s.boards + pageSize + id*s.boardSize
	if wipe(s.mem[off:off+s.boardSize]) == nil { // otherwise it stays taken
		atomic.AndUint64(s.taken(), ^(uint64(1) << id))
	}
}
