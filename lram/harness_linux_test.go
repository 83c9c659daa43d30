package lram

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/hostd"
	"gridrun/internal/packet"
	"gridrun/internal/transport/reach"
	"gridrun/internal/wire"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// The test binary plays the host service, or a rank, when this says so.
const roleVar = "LRAM_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "":
		os.Exit(m.Run())
	case "service":
		os.Exit(hostd.Main(map[string]hostd.Handler{service: Handler(store.Set{"home": os.DirFS(".")})}))
	case "rank":
		if err := rank(); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// A task is what a rank's process does; it comes as one line on standard input.
type task struct {
	Ref       string
	DType     string
	Shape     []int
	Memory    int64
	BlockSize int64
	Seed      uint64
	Boxes     int      // random boxes to check against the file, read plainly
	All       bool     // then everything, twice
	Hold      bool     // then hold a block pinned and wait
	Hosts     []uint32 // of the cache
}

// rank checks random boxes, with its stream to the host service as descriptor 3.
func rank() error {
	in := bufio.NewScanner(os.Stdin)
	var k task
	if in.Scan(); json.Unmarshal(in.Bytes(), &k) != nil {
		return errors.New("no task")
	}
	ctx := context.Background()
	f, err := net.FileConn(os.NewFile(3, "service"))
	if err != nil {
		return err
	}
	conn := f.(*net.UnixConn)
	if err := greet(ctx, conn); err != nil {
		return err
	}
	c := new(Cache)
	if c.client, err = client.Dial(ctx, link.Unix(conn), proto.Hello{Cache: "test", Rank: uint32(k.Seed), Memory: k.Memory, BlockSize: k.BlockSize, Hosts: k.Hosts}); err != nil {
		return err
	}
	d, err := c.Open(ctx, k.Ref)
	if err != nil {
		return err
	}
	fmt.Println("open")
	p := &plain{dtype: k.DType, shape: k.Shape}
	if p.stored, err = plainRead(k); err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(k.Seed, 0))
	for range k.Boxes {
		start, count, stride := p.randomBox(r)
		want := p.at(start, count, stride)
		got := make([]float64, len(want))
		if _, err := ReadStrided(ctx, d, start, count, stride, got); err != nil {
			return err
		}
		if err := same(got, want); err != nil {
			return err
		}
	}
	if k.All {
		got := make([]float64, len(p.stored))
		for range 2 {
			if _, err := Read(ctx, d, make([]int, len(p.shape)), p.shape, got); err != nil {
				return err
			}
			if err := same(got, p.stored); err != nil {
				return err
			}
		}
	}
	if k.Hold {
		_, err := c.client.Get(ctx, d.number, []int64{0, 1, 2, 3}, func(int, []byte, uint8) error {
			fmt.Println("holding")
			select {} // until killed, or until the service is gone, which must not matter to a pinned block
		})
		return err
	}
	fmt.Println("done")
	for in.Scan() { // the parent says when to count, and when to leave
		n, err := c.client.Count(ctx)
		if err != nil {
			return err
		}
		s := c.Stats()
		fmt.Println("counted", n.Decodes, n.Read, n.Moved, s.HitsRemote, s.Misses)
	}
	return errors.Join(in.Err(), d.Close(), c.Close(ctx))
}

// plainRead reads the whole array from its file, without any cache.
func plainRead(k task) ([]float64, error) {
	b, err := os.ReadFile(strings.TrimSuffix(k.Ref, ".json") + ".bin")
	if err != nil {
		return nil, err
	}
	out := make([]float64, len(b)/elemSize(k.DType))
	for i := range out {
		if k.DType == "float32" {
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		} else {
			out[i] = math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:]))
		}
	}
	return out, nil
}

// A host is a host service in a process of its own, and this test its agent.
type host struct {
	t       *testing.T
	number  int
	control *packet.Conn
	service *exec.Cmd
	stderr  bytes.Buffer
	all     []*host
	port    *reach.Port // nil: the only host
	joined  sync.WaitGroup
}

// startHost starts the service of a job's only host.
func startHost(t *testing.T) *host {
	t.Helper()
	return startHosts(t, 1, false)[0]
}

// startHosts starts the services of a job's hosts, which find each other as in a real job.
func startHosts(t *testing.T, n int, encrypt bool) []*host {
	t.Helper()
	all := make([]*host, n)
	welcome := wire.Welcome{Version: wire.Version, Job: "test", Key: bytes.Repeat([]byte{3}, 32), Encrypt: encrypt}
	for i := range all {
		welcome.Topology.Hosts = append(welcome.Topology.Hosts, fmt.Sprintf("node%d", i))
	}
	for i := range all {
		h := &host{t: t, number: i, all: all}
		all[i] = h
		var theirs *packet.Conn
		var err error
		if h.control, theirs, err = packet.Pair(); err != nil {
			t.Fatal(err)
		}
		h.service = role("service", theirs.File())
		h.service.Stderr = &h.stderr
		if err := h.service.Start(); err != nil {
			t.Fatal(err)
		}
		theirs.Close()
		welcome.Proc = reach.Service(i)
		h.packet(&welcome, nil)
		if n > 1 {
			if h.port, err = reach.Listen(reach.Config{Job: welcome.Job, Key: welcome.Key, Host: i, Loopback: true}); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() {
			h.leave()
			h.service.Process.Kill()
			h.service.Wait()
		})
	}
	for _, h := range all {
		h.joined.Go(h.answer)
		if h.port != nil {
			h.port.Serve(h)
		}
	}
	return all
}

// answer tells the service where those of other hosts are.
func (h *host) answer() {
	for {
		m, _, err := h.control.Receive()
		if err != nil {
			return
		}
		if ask, ok := m.(*wire.Lookup); ok {
			h.control.Send(&wire.Address{Proc: ask.Proc, Addrs: h.all[-1-ask.Proc].port.Addrs()}, nil)
		}
	}
}

// Admit and Take are the agent's side of the host's port.
func (h *host) Admit(int) reach.Status { return reach.Here }

func (h *host) Take(_, from int, c *net.TCPConn) {
	defer c.Close()
	if f, err := c.File(); err == nil {
		h.control.Send(&wire.Conn{From: from}, f)
		f.Close()
	}
}

// leave makes the agent go.
func (h *host) leave() {
	if h.port != nil {
		h.port.Close()
	}
	h.control.Close()
	h.joined.Wait()
}

// packet sends a control message, with a descriptor unless f is nil.
func (h *host) packet(m wire.Message, f *os.File) {
	h.t.Helper()
	if err := h.control.Send(m, f); err != nil {
		h.t.Fatal(err)
	}
}

// end makes the agent go: the service must exit with success and nothing to say.
func (h *host) end() {
	h.t.Helper()
	h.leave()
	if err := h.service.Wait(); err != nil || h.stderr.Len() > 0 {
		h.t.Errorf("host service: %v, stderr %q", err, h.stderr.String())
	}
}

func role(name string, extra *os.File) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+name, "GORACE=atexit_sleep_ms=0") // the race detector sleeps a second at exit otherwise
	cmd.ExtraFiles = []*os.File{extra}
	return cmd
}

// A proc is a rank's process.
type proc struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (h *host) rank(k task) *proc {
	h.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		h.t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[0]), "theirs")
	h.packet(&wire.Service{Rank: int(k.Seed)}, theirs)
	theirs.Close()
	for i := range h.all {
		k.Hosts = append(k.Hosts, uint32(i))
	}
	stream := os.NewFile(uintptr(fds[1]), "stream")
	p := &proc{cmd: role("rank", stream)}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		h.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		h.t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	stream.Close()
	if err := json.NewEncoder(p.in).Encode(k); err != nil {
		h.t.Fatal(err)
	}
	// A process that hangs is killed, which its missing line then shows.
	watch := time.AfterFunc(60*time.Second, func() { p.cmd.Process.Kill() })
	h.t.Cleanup(func() {
		watch.Stop()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

// line is the next line that the process prints.
func (p *proc) line() string {
	p.out.Scan()
	return p.out.Text()
}

// expect reads these lines.
func (p *proc) expect(t *testing.T, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if got := p.line(); got != want {
			t.Fatalf("a rank says %q, want %q", got, want)
		}
	}
}

// counts is what the process says that its host's service has done, and itself.
type counts struct{ decodes, read, moved, remote, misses int64 }

func (p *proc) count(t *testing.T) (c counts) {
	t.Helper()
	fmt.Fprintln(p.in)
	if line := p.line(); !scanned(fmt.Sscanf(line, "counted %d %d %d %d %d", &c.decodes, &c.read, &c.moved, &c.remote, &c.misses)) {
		t.Errorf("asked for counts, a rank says %q", line)
	}
	return c
}

func scanned(n int, err error) bool { return err == nil && n == 5 }

// leave lets the process end.
func (p *proc) leave(t *testing.T) {
	t.Helper()
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("rank: %v", err)
	}
}

func taskFor(p *plain, seed uint64, memory int64) task {
	return task{Ref: p.ref, DType: p.dtype, Shape: p.shape, Memory: memory, Seed: seed, Boxes: 30}
}
