package hostd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/packet"
	"gridrun/internal/wire"
)

// The test binary is a host service when this is set: the real thing, on descriptor 3.
const asHostd = "HOSTD_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asHostd) != "" {
		os.Exit(Main(handlers))
	}
	os.Exit(m.Run())
}

var handlers = map[string]Handler{
	"echo": {Version: 3, Serve: func(_ context.Context, c Conn) error {
		who := fmt.Sprintf("rank %d", c.Rank)
		if c.Peer {
			who = "host " + c.Peers.Name(c.Host)
		}
		fmt.Fprintf(c, "%s of %s\n", who, c.Job.Job)
		_, err := io.Copy(c, c)
		return err
	}},
	"panics": {Version: 1, Serve: func(context.Context, Conn) error { panic("decoder") }},
	"waits":  {Version: 1, Serve: func(ctx context.Context, _ Conn) error { <-ctx.Done(); return nil }},
}

// pair makes a socket of which one end is a connection of this process, the other a file.
func pair(t *testing.T, kind int) (*net.UnixConn, *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	mine := os.NewFile(uintptr(fds[0]), "one end")
	defer mine.Close()
	conn, err := net.FileConn(mine)
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.UnixConn), os.NewFile(uintptr(fds[1]), "other end")
}

// agent plays the agent's side.
type agent struct {
	t       *testing.T
	control *net.UnixConn
}

func (a *agent) send(m wire.Message, files ...*os.File) {
	a.t.Helper()
	b, err := wire.Marshal(m)
	if err != nil {
		a.t.Fatal(err)
	}
	var oob []byte
	for _, f := range files {
		oob = append(oob, unix.UnixRights(int(f.Fd()))...)
	}
	if _, _, err := a.control.WriteMsgUnix(b, oob, nil); err != nil {
		a.t.Fatal(err)
	}
	for _, f := range files {
		f.Close()
	}
}

func (a *agent) welcome() { a.send(&wire.Welcome{Version: wire.Version, Job: "j1"}) }

// dial gives a rank its stream.
func (a *agent) dial(rank int) *net.UnixConn {
	a.t.Helper()
	conn, other := pair(a.t, unix.SOCK_STREAM)
	a.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	a.send(&wire.Service{Rank: rank}, other)
	return conn
}

// start runs Serve in this process. stop makes the agent go and returns what Serve said.
func start(t *testing.T) (a *agent, log *bytes.Buffer, stop func() error) {
	t.Helper()
	before := runtime.NumGoroutine()
	mine, other := pair(t, unix.SOCK_SEQPACKET)
	fd, err := unix.Dup(int(other.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	other.Close()
	theirs, err := packet.Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	log = new(bytes.Buffer)
	done := make(chan error, 1)
	go func() { done <- Serve(context.Background(), theirs, handlers, log) }()
	stop = sync.OnceValue(func() error {
		mine.Close()
		select {
		case err := <-done:
			for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
					break
				}
			}
			return err
		case <-time.After(10 * time.Second):
			t.Fatal("Serve does not end when the agent has gone")
			return nil
		}
	})
	t.Cleanup(func() { stop() })
	return &agent{t, mine}, log, stop
}

func echo(t *testing.T, c *net.UnixConn, rank int) {
	t.Helper()
	if err := Open(c, "echo", 3); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("rank %d of j1\nhello", rank)
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Errorf("echo says %q, %v, want %q", got, err, want)
	}
}

func TestServe(t *testing.T) {
	a, log, stop := start(t)
	a.welcome()
	a.send(&wire.Beat{}) // unknown to a host service: ignored
	for rank := range 5 {
		echo(t, a.dial(rank), rank)
	}
	waiting := a.dial(7)
	if err := Open(waiting, "waits", 1); err != nil {
		t.Fatal(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n, err := waiting.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the stream of a handler after the end: %d, %v", n, err)
	}
	if log.Len() > 0 {
		t.Errorf("logged %q", log)
	}
}

func TestRefusals(t *testing.T) {
	a, _, _ := start(t)
	a.welcome()
	for _, c := range []struct {
		service string
		version uint16
		want    string
	}{
		{"nothing", 1, "there is no such service (there are: echo, panics, waits)"},
		{"echo", 2, "the program speaks version 2, the service version 3"},
	} {
		if err := Open(a.dial(1), c.service, c.version); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %d: %v, want %q", c.service, c.version, err, c.want)
		}
	}
	echo(t, a.dial(2), 2)
}

func TestPanicTakesOnlyItsStream(t *testing.T) {
	a, log, stop := start(t)
	a.welcome()
	c := a.dial(4)
	if err := Open(c, "panics", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the stream: %v, want the end", err)
	}
	echo(t, a.dial(5), 5)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "serving rank 4: decoder") {
		t.Errorf("logged %q", log)
	}
}

func TestFirstPacketMustBeAWelcome(t *testing.T) {
	for _, m := range []wire.Message{&wire.Beat{}, &wire.Welcome{Version: wire.Version + 1}} {
		a, _, stop := start(t)
		a.send(m)
		if _, err := a.control.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after %T: %v, want the end", m, err)
		}
		if err := stop(); err == nil {
			t.Errorf("%T is taken as the first packet", m)
		}
	}
}

func TestGarbageOnControl(t *testing.T) {
	a, _, stop := start(t)
	a.welcome()
	if _, err := a.control.Write([]byte{200, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.control.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("%v, want the end", err)
	}
	if err := stop(); !errors.Is(err, wire.ErrControl) {
		t.Errorf("Serve: %v", err)
	}
}

// The process itself: descriptor 3, exit code 0 when the agent goes.
func TestMainAsProcess(t *testing.T) {
	mine, other := pair(t, unix.SOCK_SEQPACKET)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asHostd+"=1")
	cmd.ExtraFiles = []*os.File{other}
	var out bytes.Buffer
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other.Close()
	a := &agent{t, mine}
	a.welcome()
	echo(t, a.dial(3), 3)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	echo(t, a.dial(4), 4)
	mine.Close()
	if err := cmd.Wait(); err != nil || out.Len() > 0 {
		t.Errorf("%v, stderr %q", err, out.String())
	}
}

func FuzzGreeting(f *testing.F) {
	var ok bytes.Buffer
	greet(&ok, "lram", 1)
	f.Add(ok.Bytes())
	f.Add([]byte(word))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, version, err := readGreeting(bytes.NewReader(b))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := greet(&again, name, version); err != nil || !bytes.HasPrefix(b, again.Bytes()) {
			t.Fatalf("%q is %q %d, which is %q (%v)", b, name, version, again.Bytes(), err)
		}
	})
}
