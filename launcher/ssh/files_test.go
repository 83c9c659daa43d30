package ssh

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/ship"
)

// A gate passes what is written to it on when it is opened: a server that gets no
// processor.
type gate struct {
	io.Reader
	opened  chan struct{}
	waiting chan struct{} // told of the first Read
	once    sync.Once
}

func (g *gate) Read(b []byte) (int, error) {
	g.once.Do(func() { close(g.waiting) })
	<-g.opened
	return g.Reader.Read(b)
}

// pipes are two ends that read what the other has written, without bound.
func pipes(t *testing.T) (a, b struct {
	io.Reader
	io.WriteCloser
}) {
	t.Helper()
	for _, p := range []struct {
		r *io.Reader
		w *io.WriteCloser
	}{{&a.Reader, &b.WriteCloser}, {&b.Reader, &a.WriteCloser}} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		*p.r, *p.w = r, w
	}
	return a, b
}

// Inputs that are given up while the host's server is busy: Stage returns when the
// server has done what it was sent, so who removes the directory then removes it
// for good, and the connection that is needed for that is not cut.
func TestStageGivenUpLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	input := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(input, make([]byte, 1<<16), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := ship.ReadFile(input, "input")
	if err != nil {
		t.Fatal(err)
	}
	var aborted atomic.Bool
	busy := &gate{opened: make(chan struct{}), waiting: make(chan struct{})}
	served := make(chan struct{})
	f := Files{
		Dir: dir, Host: "node1", Stall: time.Minute,
		Abort: func() { aborted.Store(true) },
		Open: func() (*sftp.Client, func(), error) {
			ours, theirs := pipes(t)
			if busy != nil {
				// The greeting passes; what follows waits.
				go func() {
					defer close(served)
					defer theirs.Close()
					s, err := sftp.NewServer(struct {
						io.Reader
						io.WriteCloser
					}{io.MultiReader(io.LimitReader(theirs.Reader, greeting), busy), theirs.WriteCloser})
					if err == nil {
						busy.Reader = theirs.Reader
						s.Serve()
					}
				}()
			} else {
				go func() {
					defer theirs.Close()
					if s, err := sftp.NewServer(theirs); err == nil {
						s.Serve()
					}
				}()
			}
			client, err := sftp.NewClientPipe(ours.Reader, ours.WriteCloser)
			return client, func() { client.Close() }, err
		},
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	returned := make(chan error, 1)
	go func() {
		_, _, err := f.Stage(ctx, "job", []ship.File{file})
		returned <- err
	}()
	<-busy.waiting
	why := errors.New("SIGTERM")
	cancel(why)
	select {
	case err := <-returned:
		t.Errorf("Stage returned %v while the server still has work", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(busy.opened)
	if err := <-returned; !errors.Is(err, why) {
		t.Error(err)
	}
	<-served
	if aborted.Load() {
		t.Error("the connection was cut although the server answers")
	}
	busy = nil
	if err := f.Unstage(t.Context(), "job"); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "jobs")); len(left) > 0 || err != nil && !os.IsNotExist(err) {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// greeting is the size of SFTP's first packet: length, kind and version.
const greeting = 4 + 1 + 4

// A server that never answers is given up.
func TestStageGivenUpWhenTheServerHangs(t *testing.T) {
	ours, theirs := pipes(t)
	f := Files{
		Dir: t.TempDir(), Host: "node1", Stall: time.Minute,
		Abort: func() { theirs.Close() },
		Open: func() (*sftp.Client, func(), error) {
			theirs.Write([]byte{0, 0, 0, 5, 2, 0, 0, 0, 3}) // its version, and nothing more
			client, err := sftp.NewClientPipe(ours.Reader, ours.WriteCloser)
			return client, func() { client.Close() }, err
		},
	}
	input := filepath.Join(t.TempDir(), "input")
	if err := os.WriteFile(input, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := ship.ReadFile(input, "input")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.Stage(ctx, "job", []ship.File{file}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzAfterNoise(f *testing.F) {
	version := []byte{0, 0, 0, 5, 2, 0, 0, 0, 3}
	f.Add([]byte(nil), []byte("rest"))
	f.Add([]byte("Welcome!\n"), []byte{})
	f.Add([]byte{0, 0, 0, 5, 2, 0, 0}, []byte("x"))
	f.Fuzz(func(t *testing.T, noise, rest []byte) {
		stream := append(append(append([]byte{}, noise...), version...), rest...)
		if i := bytes.Index(stream, version); i != len(noise) || len(noise) > 1000 {
			return
		}
		if noise := stream[:len(noise)+8]; bytes.Contains(noise, []byte{2, 0, 0, 0, 3}) {
			return // could be the reply of another length
		}
		got, err := io.ReadAll(&afterNoise{r: iotest.HalfReader(bytes.NewReader(stream))})
		if err != nil || !bytes.Equal(got, stream[len(noise):]) {
			t.Fatalf("%q, %v; want %q", got, err, stream[len(noise):])
		}
	})
}
