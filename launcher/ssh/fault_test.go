package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/script"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gridrun/launcher/place"
	"gridrun/launcher/ship"
)

func TestFakeHostWorks(t *testing.T) {
	h := newFakeHost(t)
	starter := h.starter(t, nil)
	use(t, starter, &h.sshd)
	use(t, starter, &h.sshd)
}

// A host that hangs in any stage: the stage's deadline ends it and names it.
func TestHangs(t *testing.T) {
	const short = 300 * time.Millisecond // for the stage that hangs; others take what they need
	handshake, auth, exec := sshconn.Deadlines{Handshake: short}, sshconn.Deadlines{Auth: short}, sshconn.Deadlines{Exec: short}
	for hang, c := range map[string]struct {
		stage     sshconn.Stage
		deadlines sshconn.Deadlines
	}{
		"banner": {sshconn.StageHandshake, handshake}, "kex": {sshconn.StageHandshake, handshake}, "auth": {sshconn.StageAuth, auth},
		"session": {sshconn.StageExec, exec}, "exec": {sshconn.StageExec, exec}, "script": {sshconn.StageExec, exec},
	} {
		t.Run(hang, func(t *testing.T) {
			h := newFakeHost(t, func(h *fakeHost) { h.hang = hang })
			starter := h.starter(t, func(o *Options) { o.Deadlines = c.deadlines })
			_, err := starter.Start(context.Background(), place.Host{Name: h.ip})
			wants(t, err, h.ip, h.address(), string(c.stage), "no answer in time (300ms)")
		})
		t.Run(hang+" and cancelled", func(t *testing.T) {
			h := newFakeHost(t, func(h *fakeHost) { h.hang = hang })
			ctx, cancel := context.WithCancelCause(context.Background())
			why := errors.New("enough")
			timer := time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
			defer timer.Stop()
			if _, err := h.starter(t, nil).Start(ctx, place.Host{Name: h.ip}); !errors.Is(err, why) {
				t.Fatalf("error %v", err)
			}
		})
	}
}

// An address whose queue of connections is full does not answer at all.
func TestConnectHangs(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(c)
		syscall.Connect(c, at)
	}
	h := newFakeHost(t)
	starter := h.starter(t, func(o *Options) { o.Deadlines.Connect = 200 * time.Millisecond })
	port := at.(*syscall.SockaddrInet4).Port
	h.port = port
	h.writeConfig("")
	starter.options.Config, err = sshconf.LoadConfig(h.sshd.config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = starter.Start(context.Background(), place.Host{Name: h.ip})
	wants(t, err, "connecting", h.address(), "no answer in time (200ms)")
}

func TestRefusedSteps(t *testing.T) {
	for refuse, part := range map[string]string{"session": "no more sessions", "exec": "refuses to execute"} {
		t.Run(refuse, func(t *testing.T) {
			h := newFakeHost(t, func(h *fakeHost) { h.refuse = refuse })
			_, err := h.starter(t, nil).Start(context.Background(), place.Host{Name: h.ip})
			wants(t, err, part, string(sshconn.StageExec))
		})
	}
}

// sshd drops connections when many come at once: those are tried again.
func TestDroppedConnections(t *testing.T) {
	h := newFakeHost(t)
	h.drop.Store(2)
	use(t, h.starter(t, nil), &h.sshd)
	h.drop.Store(100)
	_, err := h.starter(t, nil).Start(context.Background(), place.Host{Name: h.ip})
	wants(t, err, "MaxStartups", "ssh handshake")
	if tried := 100 - h.drop.Load(); tried != sshconn.MaxTries {
		t.Errorf("%d tries", tried)
	}
}

// The connection breaks at every step: an error, or an agent; nothing stays.
func TestFailAtStep(t *testing.T) {
	small := filepath.Join(t.TempDir(), "small")
	write(t, small, "#!/bin/sh\necho agent\ncat\n")
	source := ship.Built(script.AgentName, func(context.Context, ship.Platform) (string, error) { return small, nil })
	h := newFakeHost(t)
	started := 0
	step := int64(1)
	for ; started == 0 && step < 500; step++ {
		os.RemoveAll(filepath.Join(h.home, ".cache"))
		h.reads.Store(0)
		h.limit.Store(step)
		a, err := h.starter(t, func(o *Options) { o.Agent = source }).Start(context.Background(), place.Host{Name: h.ip})
		if err != nil {
			var e *sshconn.Error
			if !errors.As(err, &e) || e.Host != h.ip {
				t.Fatalf("step %d: %v", step, err)
			}
			continue
		}
		// The agent may be cut off at once.
		got := make([]byte, 6)
		if _, err := io.ReadFull(a, got); err == nil && string(got) == "agent\n" {
			started++
		}
		a.Kill()
		io.Copy(io.Discard, a)
		a.Wait()
	}
	if started == 0 {
		t.Fatal("no number of steps was enough")
	}
	t.Logf("the whole start takes %d reads of the host", step)
}

// One slow host does not take the others' places, and limits hold.
func TestLimits(t *testing.T) {
	h := newFakeHost(t, func(h *fakeHost) { h.hang = "auth" })
	starter := h.starter(t, func(o *Options) { o.PerAddress, o.Deadlines.Auth = 2, 200*time.Millisecond })
	errs := make(chan error)
	for range 5 {
		go func() {
			_, err := starter.Start(context.Background(), place.Host{Name: h.ip})
			errs <- err
		}()
	}
	began := time.Now()
	for range 5 {
		wants(t, <-errs, "authentication")
	}
	if took := time.Since(began); took < 600*time.Millisecond {
		t.Errorf("five hosts, two at a time and 200 ms each, took %v", took)
	}
}

func TestNoBuildForTheHost(t *testing.T) {
	h := newFakeHost(t)
	missing := errors.New("no Go toolchain here")
	starter := h.starter(t, func(o *Options) {
		o.Agent = func(context.Context, ship.Platform) (ship.File, error) { return ship.File{}, missing }
	})
	_, err := starter.Start(context.Background(), place.Host{Name: h.ip})
	wants(t, err, missing.Error(), string(sshconn.StageShip), h.ip)
	if _, err := New(Options{}); err == nil {
		t.Error("a Starter without an agent")
	}
	for _, name := range []string{"-oProxyCommand=touch /tmp/x", "a b"} {
		_, err := starter.Start(context.Background(), place.Host{Name: name})
		wants(t, err, "names no host")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := starter.Start(ctx, place.Host{Name: h.ip}); !errors.Is(err, context.Canceled) {
		t.Error(fmt.Errorf("a context that has ended: %w", err))
	}
}
