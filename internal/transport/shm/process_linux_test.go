package shm

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
	"gridrun/internal/wire"
)

// With these the test binary is another process of a test: its part, and its number.
const (
	partEnv = "GRIDRUN_SHM_TEST_PART"
	procEnv = "GRIDRUN_SHM_TEST_PROC"
)

func TestMain(m *testing.M) {
	part := map[string]func(s *Segment, proc int) error{"echo": echo, "exchange": exchange, "flood": flood}[os.Getenv(partEnv)]
	if part == nil {
		os.Exit(m.Run())
	}
	err := func() error {
		proc, err := strconv.Atoi(os.Getenv(procEnv))
		if err != nil {
			return err
		}
		s, err := Attach(os.NewFile(3, "segment"))
		if err != nil {
			return err
		}
		return errors.Join(part(s, proc), s.Close())
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start starts a process of the segment.
func start(t testing.TB, s *Segment, part string, proc int) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), partEnv+"="+part, procEnv+"="+strconv.Itoa(proc),
		"GORACE=atexit_sleep_ms=0") // do not linger under the race detector
	cmd.ExtraFiles = []*os.File{s.File()}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

// echo answers every frame with 8 bytes, polling until process 0 leaves.
func echo(s *Segment, proc int) error {
	c := &counter{buf: make([]byte, 16<<20)}
	n, err := Open(s, proc, c)
	if err != nil {
		return err
	}
	link := n.Link(0)
	f := &transport.Frame{Header: wire.Header{Kind: wire.Eager, Len: 8}, Body: make([]byte, 8)}
	c.answer = func(*wire.Header) { link.Post(f) }
	for !n.peer(0).gone() {
		n.Poll()
	}
	return n.Close()
}

const exchangeFrames = 150

// exchange sends frames to all, checks what comes from all, and leaves.
func exchange(s *Segment, proc int) error {
	sink := &checker{frames: map[int]int{}, data: make([]byte, 1<<16), done: make(chan struct{}), want: exchangeFrames * (s.procs - 1)}
	n, err := Open(s, proc, sink)
	if err != nil {
		return err
	}
	d := transporttest.Drive(n)
	d.Hold(50)
	for i := range exchangeFrames {
		for step := 1; step < s.procs; step++ {
			dst := (proc + step) % s.procs
			n.Link(dst).Post(numbered(proc, dst, i))
		}
	}
	var late error
	select {
	case <-sink.done:
	case <-time.After(30 * time.Second):
		late = fmt.Errorf("process %d still waits for frames, has %v of each", proc, sink.frames)
	}
	d.Stop()
	return errors.Join(n.Close(), late, sink.err)
}

// numbered makes the i-th frame from src to dst: every seventh is Data.
func numbered(src, dst, i int) *transport.Frame {
	f := &transport.Frame{Body: make([]byte, (i*37+src)%5000)}
	f.Kind = wire.Eager
	if i%7 == 0 {
		f.Kind, f.Body = wire.Data, make([]byte, i*97%50_000)
	}
	for k := range f.Body {
		f.Body[k] = byte(k*k + i + src)
	}
	f.Src, f.Dst, f.Seq, f.Len = int32(src), int32(dst), uint32(i), uint64(len(f.Body))
	f.Send = uint64(crc32.ChecksumIEEE(f.Body))
	return f
}

// checker takes numbered frames. Frames of one peer come whole, one after another.
type checker struct {
	mu     sync.Mutex
	frames map[int]int // by peer
	total  int
	want   int
	done   chan struct{}
	data   []byte
	err    error
}

func (c *checker) Arrived(from int, h *wire.Header, body []byte) { c.take(from, h, body) }

// Place gives out one buffer: a poller delivers one piece at a time, and Placed
// checks only the last one's place.
func (c *checker) Place(from int, h *wire.Header) []byte { return c.data[h.Off : h.Off+uint64(h.Body)] }

func (c *checker) Placed(from int, h *wire.Header) {
	want := numbered(from, int(h.Dst), int(h.Seq)).Body
	end := h.Off + uint64(h.Body)
	if string(c.data[h.Off:end]) != string(want[h.Off:end]) {
		c.fail(fmt.Errorf("piece at %d of frame %d from %d is wrong", h.Off, h.Seq, from))
	}
	if end == h.Len {
		c.take(from, h, want)
	}
}

func (c *checker) take(from int, h *wire.Header, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int(h.Seq) != c.frames[from] || h.Send != uint64(crc32.ChecksumIEEE(body)) || int(h.Src) != from {
		c.err = errors.Join(c.err, fmt.Errorf("frame %d from %d of %d bytes, due was %d", h.Seq, from, len(body), c.frames[from]))
	}
	c.frames[from]++
	c.total++
	if c.total == c.want {
		close(c.done)
	}
}

func (c *checker) Sent(f *transport.Frame, err error) {
	if err != nil {
		c.fail(err)
	}
}

func (c *checker) Down(p int, err error) { c.fail(fmt.Errorf("down: %w", err)) }

func (c *checker) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
}

func TestProcesses(t *testing.T) {
	for _, n := range []int{1, 2, 3, 5, 8} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			s := segment(t, n)
			var cmds []*exec.Cmd
			for i := range n {
				if n > 1 {
					cmds = append(cmds, start(t, s, "exchange", i))
				}
			}
			for i, cmd := range cmds {
				if err := cmd.Wait(); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
			}
			if rings := int(s.hdr.rings); rings != n*(n-1) {
				t.Errorf("%d rings in use, want %d", rings, n*(n-1))
			}
		})
	}
}

// flood sends numbered frames to process 0 until it is killed.
func flood(s *Segment, proc int) error {
	n, err := Open(s, proc, &counter{buf: make([]byte, 1<<16)})
	if err != nil {
		return err
	}
	link := n.Link(0)
	for i := 0; ; i++ {
		link.Post(numbered(proc, 0, i))
		for n.peer(0).out.blocked.Load() {
			n.Poll()
		}
	}
}

// A process killed at any moment leaves whole records behind: they arrive, then
// Down comes, and what was meant for it comes back.
func TestKilledProcess(t *testing.T) {
	gone := errors.New("signal: killed")
	for _, after := range []int{0, 1, 100, 1000} {
		s := segment(t, 2)
		sink := &floodSink{checker: checker{frames: map[int]int{}, data: make([]byte, 1<<16), done: make(chan struct{}), want: -1}}
		n, err := Open(s, 0, sink)
		if err != nil {
			t.Fatal(err)
		}
		const queued = 1000
		for i := range queued {
			n.Link(1).Post(numbered(0, 1, i))
		}
		cmd := start(t, s, "flood", 1)
		for end := time.Now().Add(30 * time.Second); sink.total < after; {
			if n.Poll() == 0 {
				n.Sleep(0, int64(time.Second))
			}
			if time.Now().After(end) {
				t.Fatalf("%d frames arrived, want %d", sink.total, after)
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed
		s.MarkDead(1)
		n.Kill(1, gone)
		n.Poll()
		if !errors.Is(sink.down, gone) {
			t.Errorf("Down says %v, want %v", sink.down, gone)
		}
		if sink.err != nil {
			t.Error(sink.err)
		}
		if in := &n.peer(1).in; in.ctl != nil && in.first(in.head) != 0 {
			t.Errorf("read up to %d, where the process had published more", in.head)
		}
		if sink.back != queued {
			t.Errorf("%d of %d frames to the process came back", sink.back, queued)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}

type floodSink struct {
	checker
	back int
	down error
}

func (f *floodSink) Sent(*transport.Frame, error) { f.back++ }
func (f *floodSink) Down(_ int, err error)        { f.down = err }

// A sender killed after it has taken the armed bits, and before it rings, leaves
// a sleeper that no other sender would ring. Its death wakes it.
func TestKilledWhileRinging(t *testing.T) {
	gone := errors.New("signal: killed")
	for name, tell := range map[string]func(n *Net, s *Segment){
		"Kill":     func(n *Net, s *Segment) { n.Kill(1, gone) },
		"MarkDead": func(n *Net, s *Segment) { s.MarkDead(1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := segment(t, 2)
			n, err := Open(s, 0, &counter{})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if _, err := s.claim(1, 0); err != nil {
				t.Fatal(err)
			}
			awake := make(chan struct{})
			go func() {
				defer close(awake)
				n.Sleep(1, 0)
			}()
			for !n.asleep[1].Load() {
				runtime.Gosched()
			}
			atomic.StoreUint32(&n.own.mode, 0)
			tell(n, s)
			select {
			case <-awake:
			case <-time.After(30 * time.Second):
				t.Fatal("still asleep")
			}
		})
	}
}

// Close gives up at once on a process that is dead, and before long on one that
// is there and takes nothing.
func TestCloseGivesUp(t *testing.T) {
	for name, mark := range map[string]bool{"dead": true, "idle": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := segment(t, 2)
			c := &counter{}
			n, err := Open(s, 0, c)
			if err != nil {
				t.Fatal(err)
			}
			const frames = 100
			for i := range frames {
				n.Link(1).Post(numbered(0, 1, i))
			}
			var agent sync.WaitGroup
			if mark {
				agent.Go(func() { s.MarkDead(1) })
			}
			defer agent.Wait()
			begin := time.Now()
			if err := n.Close(); err != nil {
				t.Error(err)
			}
			if mark && time.Since(begin) >= flushTime {
				t.Error("Close waits for a process that is marked dead")
			}
			if c.failed.Load() == 0 {
				t.Error("no frame came back with an error")
			}
		})
	}
}

func TestLinkToAnotherHost(t *testing.T) {
	c := &counter{}
	n, err := Open(segment(t, 1), 0, c)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	n.Link(5).Post(numbered(0, 5, 1))
	if c.failed.Load() != 1 {
		t.Error("a frame to a process of another host does not fail")
	}
	n.Kill(5, errors.New("gone"))
	n.Poll()
	n.Link(0).Post(&transport.Frame{Header: wire.Header{Kind: wire.Eager}, Body: make([]byte, transport.EagerMax+1)})
	if c.failed.Load() != 2 {
		t.Error("an eager frame over EagerMax does not fail")
	}
}
