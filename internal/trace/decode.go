package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"
)

// ErrMemory is bytes that no Recorder of this build has written.
var ErrMemory = errors.New("not a rank's record")

// Used returns the parts of a rank's memory that say something: its head without
// the zeroes at the end, and what the ring holds. It is for the agent, once the
// rank's process has ended.
func Used(mem []byte) (headPart, ring []byte) {
	if len(mem) < HeadSize {
		return nil, nil
	}
	headPart = bytes.TrimRight(mem[:HeadSize], "\x00")
	h := (*head)(unsafe.Pointer(unsafe.SliceData(mem)))
	ring = mem[HeadSize:]
	if n := h.Next; n < uint64(len(ring)/EventSize) {
		ring = ring[:n*EventSize]
	}
	return headPart, ring
}

// A Dump is what a rank has recorded.
type Dump struct {
	Rank    int
	Sent    [MaxOps][Classes]Count
	Ops     [MaxOps]OpCount
	Longest []Wait // the longest first
	Reads   Reads
	Peak    uint64 // bytes that its process has held at most; 0: it has not said
	Names   []string
	Events  []Event // in the order in which they ended
	Dropped uint64  // older events, which newer ones have overwritten
}

// Decode reads what Used returned, little-endian as all hosts are; whatever the
// bytes are, it returns a Dump or an error. Nil, and no error, is a process that
// has recorded nothing: it does not use rt.
func Decode(headPart, ring []byte) (*Dump, error) {
	if len(headPart) == 0 && len(ring) == 0 {
		return nil, nil
	}
	if len(headPart) > HeadSize || len(ring)%EventSize != 0 || len(ring) > MaxEvents*EventSize {
		return nil, fmt.Errorf("%w: %d and %d bytes", ErrMemory, len(headPart), len(ring))
	}
	whole := make([]byte, HeadSize)
	copy(whole, headPart)
	var h head
	if _, err := binary.Decode(whole, binary.LittleEndian, &h); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrMemory, err)
	}
	if h.Magic != magic || h.Version != version {
		return nil, fmt.Errorf("%w: it begins with %#x, version %d", ErrMemory, h.Magic, h.Version)
	}
	stored := uint64(len(ring) / EventSize)
	if h.Rank < 0 || h.Names > MaxNames || stored != min(h.Next, h.Capacity) {
		return nil, fmt.Errorf("%w: rank %d, %d names, %d events of %d in a ring of %d", ErrMemory, h.Rank, h.Names, stored, h.Next, h.Capacity)
	}
	d := &Dump{Rank: int(h.Rank), Sent: h.Sent, Ops: h.Ops, Reads: h.Reads, Peak: h.Peak, Dropped: h.Next - stored}
	for _, w := range h.Longest {
		if w.Nanos > 0 {
			d.Longest = append(d.Longest, w)
		}
	}
	slices.SortFunc(d.Longest, func(a, b Wait) int { return int(max(min(b.Nanos-a.Nanos, 1), -1)) })
	for _, t := range h.Text[:h.Names] {
		d.Names = append(d.Names, strings.ToValidUTF8(string(t[1:1+min(int(t[0]), MaxName)]), "?"))
	}
	d.Events = make([]Event, 0, stored)
	for n := h.Next - stored; n < h.Next; n++ {
		e := decodeEvent(ring[n%h.Capacity*EventSize:])
		if e.Commit != n+1 || e.Kind == None || e.Kind >= Kinds || e.Begin < 0 || e.Dur < 0 || e.Begin+e.Dur < 0 {
			d.Dropped++ // the rank died while it wrote
			continue
		}
		if int(e.Name) > len(d.Names) {
			e.Name = 0
		}
		d.Events = append(d.Events, e)
	}
	return d, nil
}

// Name is the name of an event, "" if it has none.
func (d *Dump) Name(e Event) string {
	if e.Name == 0 {
		return ""
	}
	return d.Names[e.Name-1]
}

func decodeEvent(b []byte) Event {
	le := binary.LittleEndian
	return Event{
		Commit: le.Uint64(b), Begin: int64(le.Uint64(b[8:])), Dur: int64(le.Uint64(b[16:])),
		Kind: Kind(b[24]), Op: b[25], Name: le.Uint16(b[26:]), Tag: int32(le.Uint32(b[28:])),
		Peer: int32(le.Uint32(b[32:])), Seq: le.Uint32(b[36:]),
		Group: le.Uint64(b[40:]), Bytes: le.Uint64(b[48:]), ID: le.Uint64(b[56:]),
	}
}
