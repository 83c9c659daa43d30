package shm

import (
	"os"
	"syscall"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
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

func TestConformance(t *testing.T) {
	t.Run("Attached", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
			return connect(t, segments(t, n), sinks)
		})
	})
	t.Run("OneMapping", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
			one := segments(t, n)[0]
			same := make([]*Segment, n)
			for i := range same {
				same[i] = one
			}
			return connect(t, same, sinks)
		})
	})
}

func connect(t testing.TB, segs []*Segment, sinks []transport.Sink) []transport.Network {
	t.Helper()
	nets := make([]transport.Network, len(sinks))
	for i := range nets {
		n, err := Open(segs[i], i, sinks[i])
		if err != nil {
			t.Fatal(err)
		}
		nets[i] = n
	}
	return nets
}
