package shm

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/waittable"
)

func TestLayout(t *testing.T) {
	for _, tt := range []struct{ procs, ranks int }{{1, 0}, {1, 1}, {2, 2}, {3, 9}, {64, 64}, {65, 65}, {93, 93}, {448, 448}, {449, 449}, {1000, 1000}, {MaxProcs, maxRanks}} {
		l, err := layoutOf(tt.procs, tt.ranks)
		if err != nil {
			t.Fatal(err)
		}
		parts := []struct {
			name        string
			off, length int
		}{
			{"header", 0, headerSize},
			{"numbers", l.ids, 4 * (tt.procs + tt.ranks)},
			{"slots", l.slots, tt.procs * l.slotSize},
			{"wait tables", l.waits, tt.ranks * waittable.RankSize},
			{"directory", l.dir, 4 * tt.procs * tt.procs},
			{"pool", l.pool, tt.procs * tt.procs * ringStride},
			{"end", l.total, 0},
		}
		for i, p := range parts[1:] {
			before := parts[i]
			if p.off < before.off+before.length {
				t.Errorf("%d processes: %s at %d, %s ends at %d", tt.procs, p.name, p.off, before.name, before.off+before.length)
			}
			if p.off%line != 0 {
				t.Errorf("%d processes: %s at %d shares a cache line", tt.procs, p.name, p.off)
			}
		}
	}
	for _, tt := range []struct{ procs, ranks int }{{0, 0}, {-1, 1}, {MaxProcs + 1, 1}, {1, -1}, {1, maxRanks + 1}} {
		if _, err := layoutOf(tt.procs, tt.ranks); err == nil {
			t.Errorf("%d processes with %d ranks are taken", tt.procs, tt.ranks)
		}
	}
	if l, _ := layoutOf(93, 93); l.boards-l.pool > 2200<<20 || l.total > 4<<30 {
		t.Errorf("93 processes need %d MiB of addresses, %d for rings", l.total>>20, (l.boards-l.pool)>>20)
	}
}

func TestCreateRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		procs []int
		ranks [][]int
	}{
		"nobody":   {nil, nil},
		"twice":    {[]int{3, 3}, [][]int{{0}, {1}}},
		"negative": {[]int{-1}, [][]int{{0}}},
		"lengths":  {[]int{1}, nil},
		"too many": {make([]int, MaxProcs+1), make([][]int, MaxProcs+1)},
	} {
		if s, err := Create(tt.procs, tt.ranks); err == nil {
			s.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSegmentKeepsItsSize(t *testing.T) {
	s := segment(t, 2)
	for _, size := range []int64{0, int64(s.total) - 1, int64(s.total) + pageSize} {
		if err := s.File().Truncate(size); !errors.Is(err, syscall.EPERM) {
			t.Errorf("Truncate to %d: %v, want EPERM", size, err)
		}
	}
}

// A thousand processes have 33 GB of addresses, and next to no memory.
func TestSegmentIsSparse(t *testing.T) {
	s := segment(t, 1000)
	for i := range 10 {
		n, err := Open(s, i, &counter{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(int(s.File().Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if st.Blocks*512 > 1<<20 {
		t.Errorf("%d KiB in use before anybody has talked", st.Blocks/2)
	}
}

func TestAttachRefuses(t *testing.T) {
	s := segment(t, 3)
	good := make([]byte, headerSize)
	if _, err := s.File().ReadAt(good, 0); err != nil {
		t.Fatal(err)
	}
	size := int64(s.total)
	for name, tt := range map[string]struct {
		change func(b []byte)
		size   int64
	}{
		"empty":     {func([]byte) {}, 0},
		"short":     {func([]byte) {}, headerSize - 1},
		"truncated": {func([]byte) {}, size - pageSize},
		"longer":    {func([]byte) {}, size + 1},
		"magic":     {func(b []byte) { b[0]++ }, size},
		"version":   {func(b []byte) { b[8]++ }, size},
		"procs":     {func(b []byte) { b[12]++ }, size},
		"no procs":  {func(b []byte) { binary.LittleEndian.PutUint32(b[12:], 0) }, size},
		"many":      {func(b []byte) { binary.LittleEndian.PutUint32(b[12:], 1<<31) }, size},
		"ranks":     {func(b []byte) { b[16] += 200 }, size},
		"ring":      {func(b []byte) { b[20]++ }, size},
		"total":     {func(b []byte) { b[24]++ }, size},
	} {
		t.Run(name, func(t *testing.T) {
			b := append([]byte{}, good...)
			tt.change(b)
			f, err := os.Create(filepath.Join(t.TempDir(), "segment"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := f.Truncate(tt.size); err != nil {
				t.Fatal(err)
			}
			if _, err := Attach(f); !errors.Is(err, ErrSegment) {
				t.Errorf("Attach: %v, want ErrSegment", err)
			}
			if _, err := f.Stat(); err != nil {
				t.Errorf("the file is not the caller's any more: %v", err)
			}
		})
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(uint64(magic), uint32(version), uint32(3), uint32(3), uint32(ringSize), uint64(0), int64(0))
	f.Add(uint64(magic), uint32(version), ^uint32(0), ^uint32(0), uint32(ringSize), ^uint64(0), int64(-1))
	f.Fuzz(func(t *testing.T, m uint64, v, procs, ranks, ring uint32, total uint64, size int64) {
		h := header{magic: m, version: v, procs: procs, ranks: ranks, ringSize: ring, total: total}
		if l, err := h.check(size); err == nil && int64(l.total) != size {
			t.Errorf("%d bytes taken for a layout of %d", size, l.total)
		}
	})
}

func TestWaitsAreShared(t *testing.T) {
	s, err := Create([]int{7, 4}, [][]int{{20, 21}, {5}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a, err := Attach(dup(t, s))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	for i, rank := range []int{20, 21, 5} {
		slot := a.Waits(rank).Enter(waittable.Wait{Op: 3, Peer: int32(i), Since: time.Now()})
		got := s.Waits(rank).Read()
		if len(got) != 1 || got[0].Peer != int32(i) {
			t.Errorf("rank %d: the agent reads %v", rank, got)
		}
		if i != 1 {
			a.Waits(rank).Leave(slot)
		}
	}
	if got := s.Waits(99).Read(); len(got) != 0 {
		t.Errorf("rank 99 is not of this host, its table shows %v", got)
	}
	if got := s.Waits(21).Read(); len(got) != 1 {
		t.Errorf("rank 21: the agent reads %v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	s := segment(t, 2)
	if _, err := Open(s, 2, &counter{}); err == nil {
		t.Error("process 2 of 0 and 1 is let in")
	}
	n, err := Open(s, 1, &counter{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(s, 1, &counter{}); err == nil {
		t.Error("process 1 is let in twice")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if err := n.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}
