package shm

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"gridrun/internal/waittable"
)

// A Segment is the shared memory of one host's processes, mapped.
type Segment struct {
	layout
	file *os.File
	mem  []byte

	hdr     *header
	numbers []int32  // process numbers by local index
	members []int32  // world ranks by wait table
	rings   []uint32 // the pair directory

	once sync.Once
	err  error // of Close
}

// Create makes the segment of a host that runs processes procs (numbers in the
// job); ranksOf[i] are the world ranks that procs[i] holds. Processes inherit
// File and call Attach.
func Create(procs []int, ranksOf [][]int) (*Segment, error) {
	if len(ranksOf) != len(procs) {
		return nil, fmt.Errorf("shared segment: %d processes, but ranks of %d", len(procs), len(ranksOf))
	}
	var ranks []int
	for _, r := range ranksOf {
		ranks = append(ranks, r...)
	}
	seen := map[int]bool{}
	for _, p := range procs {
		if p < 0 || seen[p] {
			return nil, fmt.Errorf("shared segment: process number %d is negative or given twice", p)
		}
		seen[p] = true
	}
	l, err := layoutOf(len(procs), len(ranks))
	if err != nil {
		return nil, err
	}
	f, err := createFile(int64(l.total))
	if err != nil {
		return nil, fmt.Errorf("shared segment of %d bytes for %d processes: %w", l.total, l.procs, err)
	}
	s, err := mapSegment(f, l)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	for i, p := range procs {
		s.numbers[i] = int32(p)
	}
	for i, r := range ranks {
		s.members[i] = int32(r)
	}
	h := s.hdr
	h.version, h.procs, h.ranks = version, uint32(l.procs), uint32(l.ranks)
	h.ringSize, h.total = ringSize, uint64(l.total)
	h.cpus = uint32(runtime.NumCPU())
	s.Limit(float64(h.cpus))
	atomic.StoreUint64(&h.magic, magic)
	return s, nil
}

// Attach maps the segment behind f, which belongs to the Segment from then on;
// on an error it stays the caller's.
func Attach(f *os.File) (*Segment, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("shared segment: %w", err)
	}
	var buf [headerSize]byte
	if n, err := f.ReadAt(buf[:], 0); n < len(buf) {
		return nil, fmt.Errorf("%w: %d bytes: %v", ErrSegment, st.Size(), err)
	}
	h := *(*header)(unsafe.Pointer(&buf))
	l, err := h.check(st.Size())
	if err != nil {
		return nil, err
	}
	return mapSegment(f, l)
}

func mapSegment(f *os.File, l layout) (*Segment, error) {
	mem, err := mapFile(f, l.total)
	if err != nil {
		return nil, fmt.Errorf("mapping the shared segment (%d bytes of address space, see ulimit -v): %w", l.total, err)
	}
	s := &Segment{layout: l, file: f, mem: mem}
	s.hdr = (*header)(s.at(0))
	ids := unsafe.Slice((*int32)(s.at(l.ids)), l.procs+l.ranks)
	s.numbers, s.members = ids[:l.procs], ids[l.procs:]
	s.rings = unsafe.Slice((*uint32)(s.at(l.dir)), l.procs*l.procs)
	return s, nil
}

func (s *Segment) at(off int) unsafe.Pointer { return unsafe.Pointer(&s.mem[off]) }

// slot returns the slot of the process with local index i.
func (s *Segment) slot(i int) *slot { return (*slot)(s.at(s.slots + i*s.slotSize)) }

// local returns the local index of process proc, -1: not of this host.
func (s *Segment) local(proc int) int {
	for i, p := range s.numbers {
		if int(p) == proc {
			return i
		}
	}
	return -1
}

// CPUs is how many processors the host's processes share. A process that is bound
// to one of them sees only that.
func (s *Segment) CPUs() int { return int(s.hdr.cpus) }

// Limit says how many processors' time the processes may use together, where that
// may be less than all; before they attach.
func (s *Segment) Limit(cpus float64) { s.hdr.quota = uint32(max(cpus, 0.001) * 1000) }

// Quota is what Limit has said.
func (s *Segment) Quota() float64 { return float64(s.hdr.quota) / 1000 }

// fewProcs tells whether the processes look at one another's rings: where each has a
// processor of its own, and there are not too many.
func (s *Segment) fewProcs() bool { return s.procs <= min(maxWatched, s.CPUs()) }

// File is the descriptor to inherit. It belongs to the Segment.
func (s *Segment) File() *os.File { return s.file }

// Waits returns the wait table of a world rank. A rank of another host gets a
// table of its own that nobody else sees.
func (s *Segment) Waits(rank int) waittable.Table {
	for i, r := range s.members {
		if int(r) == rank {
			off := s.waits + i*waittable.RankSize
			return waittable.At(s.mem[off : off+waittable.RankSize])
		}
	}
	return waittable.New()
}

// MarkDead tells the processes that have talked with proc that it has ended, so
// that none waits for it when closing. The agent calls it once proc is reaped;
// Sink.Down still comes from Kill only.
func (s *Segment) MarkDead(proc int) {
	i := s.local(proc)
	if i < 0 || atomic.SwapUint32(&s.slot(i).state, dead) == left {
		return
	}
	for _, j := range s.partners(i) {
		s.slot(j).signal(i)
		s.slot(j).rouse()
	}
}

// partners are the processes that share a ring with process i.
func (s *Segment) partners(i int) []int {
	var out []int
	for j := range s.procs {
		if atomic.LoadUint32(&s.rings[i*s.procs+j])|atomic.LoadUint32(&s.rings[j*s.procs+i]) != 0 {
			out = append(out, j)
		}
	}
	return out
}

// Close unmaps the segment and closes its descriptor. No Net of it and no wait
// table may be in use any more: Close them first.
func (s *Segment) Close() error {
	s.once.Do(func() {
		s.err = errors.Join(unmap(s.mem), s.file.Close())
	})
	return s.err
}
