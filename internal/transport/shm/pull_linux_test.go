package shm

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"gridrun/internal/transport"
)

func address(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

func open(t *testing.T, s *Segment, proc int) *Net {
	t.Helper()
	n, err := Open(s, proc, &counter{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

func TestPull(t *testing.T) {
	s := segments(t, 2)
	a, b := open(t, s[0], 0), open(t, s[1], 1)
	for _, size := range []int{1, 7, 4095, 4097, 64 << 10, 3<<20 + 5} {
		src, dst := make([]byte, size), make([]byte, size)
		for i := range src {
			src[i] = byte(rand.IntN(256))
		}
		if !a.Link(1).(transport.Puller).Pull(dst, address(src)) {
			t.Fatal("a process cannot read its own memory")
		}
		if !bytes.Equal(src, dst) {
			t.Errorf("%d bytes: not those of the sender", size)
		}
	}
	if !a.Link(1).(transport.Puller).Pull(nil, 0) {
		t.Error("nothing cannot be pulled")
	}
	if a.Link(1).(transport.Puller).Pull(make([]byte, 8), 8) {
		t.Error("address 8 can be read")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if x := make([]byte, 8); a.Link(1).(transport.Puller).Pull(x, address(x)) {
		t.Error("a process that has left can be read")
	}
}

// A process whose word cannot be read, or is not the one it shows (another
// namespace of process numbers), is never tried again.
func TestPullRefused(t *testing.T) {
	for name, spoil := range map[string]func(s *slot){
		"word":  func(s *slot) { s.nonce++ },
		"probe": func(s *slot) { s.probe = 8 },
		"pid":   func(s *slot) { s.pid = 1 << 30 },
		"none":  func(s *slot) { s.probe = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			s := segments(t, 2)
			a, _ := open(t, s[0], 0), open(t, s[1], 1)
			spoil(s[0].slot(1))
			x := make([]byte, 8)
			if a.Link(1).(transport.Puller).Pull(x, address(x)) {
				t.Error("its memory is read")
			}
			if a.peer(1).reach.Load() != unreachable {
				t.Error("it would be tried again")
			}
		})
	}
}

// The word of a process is there as long as it lives.
func TestPullFromKilled(t *testing.T) {
	s := segment(t, 2)
	a := open(t, s, 0)
	cmd := start(t, s, "echo", 1)
	slot := s.slot(1)
	a.Link(1).Post(numbered(0, 1, 1))
	for end := time.Now().Add(30 * time.Second); slot.state != alive || slot.probe == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the other process does not come")
		}
	}
	x := make([]byte, 8)
	link := a.Link(1).(transport.Puller)
	if !link.Pull(x, slot.probe) {
		t.Log("this machine lets no process read another's memory")
	}
	cmd.Process.Kill()
	cmd.Wait()
	if link.Pull(x, slot.probe) {
		t.Error("a process that has been killed can be read")
	}
}
