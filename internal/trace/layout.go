package trace

import (
	"unsafe"
)

const (
	magic   = 0x3165636172746467 // "gdtrace1"
	version = 2

	// MaxOps bounds the operations that are told apart (engine.Op).
	MaxOps = 64
	// MaxNames bounds the names (algorithms, arrays, spans) of one rank; others
	// are recorded without their name.
	MaxNames = 256
	// MaxName bounds a name's bytes; longer ones are cut.
	MaxName = 63
	// Longest is how many of its longest waits a rank keeps.
	Longest = 8
	// MaxEvents bounds the ring of a rank: 256 MiB.
	MaxEvents = 1 << 22

	// EventSize and HeadSize are in bytes.
	EventSize = 64
	HeadSize  = 24 << 10
)

// A Class tells how far a message goes.
type Class uint8

const (
	SameProcess Class = iota
	SameHost
	OtherHost
	Classes = 3
)

func (c Class) String() string {
	return [Classes]string{"same process", "same host", "other host"}[c%Classes]
}

// A Count is messages and their bytes.
type Count struct{ Messages, Bytes uint64 }

// An OpCount is what a rank has done by one operation.
type OpCount struct {
	Calls   uint64 // collective calls; a message is one call of its operation
	Bytes   uint64 // the buffers of these calls
	Waits   uint64 // that were longer than the polling phase
	Blocked uint64 // nanoseconds of these
}

// A Wait is one that was among a rank's longest.
type Wait struct {
	Nanos int64
	Begin int64 // CLOCK_MONOTONIC of its host
	Group uint64
	Peer  int32 // world rank, -1: any or none
	Tag   int32
	Op    uint32
	_     uint32
}

// Reads are those of an array cache, in blocks and bytes.
type Reads struct {
	Reads, Hits, Remote, Waited, Missed uint64
	Asked, Moved                        uint64
}

// head is the start of a rank's memory. Exported fields, for encoding/binary.
type head struct {
	Magic    uint64
	Version  uint32
	Rank     int32
	Attached uint32
	Names    uint32
	Capacity uint64 // events of the ring
	Next     uint64 // events recorded so far
	Sent     [MaxOps][Classes]Count
	Ops      [MaxOps]OpCount
	Longest  [Longest]Wait
	Reads    Reads
	Peak     uint64                      // bytes that the process has held at most, known when it ends well
	Text     [MaxNames][1 + MaxName]byte // length, text
}

var _ [HeadSize - unsafe.Sizeof(head{})]byte // it fits

// A Kind says what an Event shows.
type Kind uint8

const (
	None       Kind = iota
	Out             // a message sent; ID is its number at the sender
	In              // a message received; ID is its number at the sender, Peer
	Blocked         // a wait for Peer that outlived its polling phase
	Collective      // a call; Seq its number in the group, Name the algorithm, Peer the root or -1
	Read            // of an array cache; Name the array, Seq the blocks, ID those of them that were there
	Span            // the program's own; Name its name
	Kinds
)

// An Event is a span of time of one rank.
type Event struct {
	Commit uint64 // number of the event, from 1; 0 while it is written
	Begin  int64  // nanoseconds of CLOCK_MONOTONIC
	Dur    int64
	Kind   Kind
	Op     uint8
	Name   uint16 // 1 + index among the names, 0: none
	Tag    int32
	Peer   int32 // world rank, -1: any or none
	Seq    uint32
	Group  uint64
	Bytes  uint64
	ID     uint64
}

var _ [0]byte = [EventSize - unsafe.Sizeof(Event{})]byte{}

// Size is the bytes of a rank's memory with a ring of so many events.
func Size(events int) int { return HeadSize + events*EventSize }
