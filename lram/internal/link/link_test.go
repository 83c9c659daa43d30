//go:build linux

package link

import (
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
)

func unixPair(t *testing.T) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := [2]*net.UnixConn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c.(*net.UnixConn)
	}
	t.Cleanup(func() { conns[0].Close(); conns[1].Close() })
	return conns[0], conns[1]
}

func descriptors(t *testing.T) int {
	t.Helper()
	e, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(e)
}

var welcome = &proto.Welcome{Version: 1, Server: "s", Memory: 4096}

func frame(t *testing.T) []byte {
	t.Helper()
	b, err := proto.Append(nil, welcome)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Both kinds of link hand over a frame and the region, and frames behind it are left for whoever reads next.
func TestShare(t *testing.T) {
	a, b := unixPair(t)
	p, q := Pipe()
	for name, ends := range map[string][2]Link{"unix": {Unix(a), Unix(b)}, "pipe": {p, q}} {
		region, err := memory.New(8192)
		if err != nil {
			t.Fatal(err)
		}
		if err := region.Ensure(0, 1); err != nil {
			t.Fatal(err)
		}
		region.Bytes()[0] = 42
		sent := make(chan error, 1)
		go func() {
			err := ends[1].Share(frame(t), region)
			if err == nil {
				_, err = ends[1].Write([]byte("next"))
			}
			sent <- err
		}()
		f, got, err := ends[0].Receive()
		if err != nil || !reflect.DeepEqual(f, welcome) || got == nil {
			t.Fatalf("%s: %+v, %v, %v", name, f, got, err)
		}
		next := make([]byte, 4)
		if _, err := io.ReadFull(ends[0], next); err != nil || string(next) != "next" {
			t.Errorf("%s: behind the frame comes %q, %v", name, next, err)
		}
		if err := <-sent; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := region.Close(); err != nil {
			t.Error(err)
		}
		if got.Bytes()[0] != 42 {
			t.Errorf("%s: the region received holds %d", name, got.Bytes()[0])
		}
		if err := got.Close(); err != nil {
			t.Error(err)
		}
		ends[0].Close()
		ends[1].Close()
	}
}

// Descriptors that are not what they should be are refused and closed.
func TestReceiveRefuses(t *testing.T) {
	null, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	region, err := memory.New(4096)
	if err != nil {
		t.Fatal(err)
	}
	defer region.Close()
	for name, fds := range map[string][]int{
		"no memfd":        {int(null.Fd())},
		"two descriptors": {region.Descriptor(), region.Descriptor()},
	} {
		a, b := unixPair(t)
		if _, _, err := b.WriteMsgUnix(frame(t), unix.UnixRights(fds...), nil); err != nil {
			t.Fatal(err)
		}
		before := descriptors(t)
		if _, r, err := Unix(a).Receive(); err == nil {
			r.Close()
			t.Errorf("%s: taken", name)
		}
		if n := descriptors(t); n != before {
			t.Errorf("%s: %d descriptors, %d before", name, n, before)
		}
	}
}

// A stream that ends in the welcome, at every byte: an error, and the region that came along is closed.
func TestReceiveCut(t *testing.T) {
	region, err := memory.New(4096)
	if err != nil {
		t.Fatal(err)
	}
	defer region.Close()
	whole := frame(t)
	for n := range whole {
		a, b := unixPair(t)
		before := descriptors(t)
		if n > 0 {
			if err := Unix(b).Share(whole[:n], region); err != nil {
				t.Fatal(err)
			}
		}
		b.CloseWrite()
		_, r, err := Unix(a).Receive()
		if r != nil || !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v, %v", n, r, err)
		}
		if left := descriptors(t); left != before {
			t.Errorf("cut at %d: %d descriptors, %d before", n, left, before)
		}
	}
}
