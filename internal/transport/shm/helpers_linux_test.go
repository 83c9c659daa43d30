package shm

import (
	"os"
	"sync/atomic"
	"syscall"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// dup returns a second descriptor of the segment, as inheriting gives one.
func dup(t testing.TB, s *Segment) *os.File {
	t.Helper()
	fd, err := syscall.Dup(int(s.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	syscall.CloseOnExec(fd)
	return os.NewFile(uintptr(fd), "segment")
}

func numbers(n int) ([]int, [][]int) {
	procs, ranks := make([]int, n), make([][]int, n)
	for i := range n {
		procs[i], ranks[i] = i, []int{i}
	}
	return procs, ranks
}

// segment returns one that is closed when the test ends.
func segment(t testing.TB, procs int) *Segment {
	t.Helper()
	s, err := Create(numbers(procs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// segments returns n attachments of one segment, each mapped on its own.
func segments(t testing.TB, n int) []*Segment {
	t.Helper()
	s, err := Create(numbers(n))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]*Segment, n)
	for i := range out {
		if out[i], err = Attach(dup(t, s)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := out[i].Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return out
}

// counter is a Sink that counts; answer, if set, is called for each frame.
type counter struct {
	arrived atomic.Int64
	bytes   atomic.Int64
	failed  atomic.Int64 // frames given back with an error
	down    func(p int, err error)
	answer  func(h *wire.Header)
	buf     []byte
}

func (c *counter) Arrived(from int, h *wire.Header, body []byte) {
	c.arrived.Add(1)
	if c.answer != nil {
		c.answer(h)
	}
}

func (c *counter) Place(from int, h *wire.Header) []byte { return c.buf[h.Off : h.Off+uint64(h.Body)] }

func (c *counter) Placed(from int, h *wire.Header) {
	c.bytes.Add(int64(h.Body))
	if h.Off+uint64(h.Body) == h.Len {
		c.arrived.Add(1)
		if c.answer != nil {
			c.answer(h)
		}
	}
}

func (c *counter) Sent(f *transport.Frame, err error) {
	if err != nil {
		c.failed.Add(1)
	}
}

func (c *counter) Down(p int, err error) {
	if c.down != nil {
		c.down(p, err)
	}
}
