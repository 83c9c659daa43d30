//go:build linux

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
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/hostd"
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
	Ref    string
	DType  string
	Shape  []int
	Memory int64
	Seed   uint64
	Boxes  int  // random boxes to check against the file, read plainly
	Hold   bool // then hold a block pinned and wait
}

// rank checks random boxes, with its stream to the host service as descriptor 3.
func rank() error {
	var k task
	if err := json.NewDecoder(bufio.NewReader(os.Stdin)).Decode(&k); err != nil {
		return err
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
	if c.client, err = client.Dial(ctx, link.Unix(conn), proto.Hello{Cache: "test", Rank: uint32(k.Seed), Memory: k.Memory}); err != nil {
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
	if k.Hold {
		_, err := c.client.Get(ctx, d.number, []int64{0, 1, 2, 3}, func(int, []byte, uint8) error {
			fmt.Println("holding")
			select {} // until killed, or until the service is gone, which must not matter to a pinned block
		})
		return err
	}
	n, err := c.client.Count(ctx)
	if err != nil {
		return err
	}
	fmt.Println("done", n.Decodes)
	_, err = io.ReadAll(os.Stdin) // the parent says when to leave
	return errors.Join(err, d.Close(), c.Close(ctx))
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
	control *os.File
	service *exec.Cmd
	stderr  bytes.Buffer
}

func startHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	h.control = os.NewFile(uintptr(fds[0]), "control")
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	h.service = role("service", theirs)
	h.service.Stderr = &h.stderr
	if err := h.service.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	h.packet(&wire.Welcome{Version: wire.Version, Job: "test"}, -1)
	t.Cleanup(func() { h.control.Close() })
	return h
}

func role(name string, extra *os.File) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVar+"="+name, "GORACE=atexit_sleep_ms=0") // the race detector sleeps a second at exit otherwise
	cmd.ExtraFiles = []*os.File{extra}
	return cmd
}

// packet sends a control message, with a descriptor unless fd is -1.
func (h *host) packet(m wire.Message, fd int) {
	h.t.Helper()
	b, err := wire.Marshal(m)
	if err != nil {
		h.t.Fatal(err)
	}
	var oob []byte
	if fd >= 0 {
		oob = unix.UnixRights(fd)
	}
	if err := unix.Sendmsg(int(h.control.Fd()), b, oob, nil, 0); err != nil {
		h.t.Fatal(err)
	}
}

// end makes the agent go: the service must exit with success and nothing to say.
func (h *host) end() {
	h.t.Helper()
	h.control.Close()
	if err := h.service.Wait(); err != nil || h.stderr.Len() > 0 {
		h.t.Errorf("host service: %v, stderr %q", err, h.stderr.String())
	}
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
	h.packet(&wire.Service{Rank: int(k.Seed)}, fds[0])
	unix.Close(fds[0])
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

func TestProcesses(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float32", []int{3, 80, 110})
	for _, memory := range []int64{16 << 20, 64 << 10} {
		h := startHost(t)
		var ranks []*proc
		for seed := range uint64(5) {
			ranks = append(ranks, h.rank(taskFor(p, seed, memory)))
		}
		last := ""
		for _, r := range ranks {
			r.expect(t, "open")
		}
		for i, r := range ranks {
			if last = r.line(); !strings.HasPrefix(last, "done ") {
				t.Errorf("%d bytes, rank %d: %q", memory, i, last)
			}
		}
		if memory > p.bytes && last != "done 3" {
			t.Errorf("%q: five ranks that read 3 levels decode 3 blocks", last)
		}
		for _, r := range ranks {
			r.leave(t)
		}
		h.end()
	}
}

// A rank is killed while it has blocks pinned in a tiny cache: another one reads on.
func TestKilledRankPinsNothing(t *testing.T) {
	noLeaks(t)
	const memory = 64 << 10
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{20, 1024})
	h := startHost(t)
	hold := taskFor(p, 1, memory)
	hold.Hold, hold.Boxes = true, 0
	var holders []*proc
	for range 12 { // each pins a block or more, together all there is room for
		holders = append(holders, h.rank(hold))
	}
	holders[0].expect(t, "open", "holding")
	reader := h.rank(taskFor(p, 2, memory))
	reader.expect(t, "open")
	for _, r := range holders {
		r.cmd.Process.Kill()
	}
	if got := reader.line(); !strings.HasPrefix(got, "done ") {
		t.Errorf("the reader says %q", got)
	}
	reader.leave(t)
	h.end()
}

// The service is killed: every rank gets an error that says so, soon.
func TestServiceKilled(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{20, 1024})
	h := startHost(t)
	var ranks []*proc
	for seed := range uint64(3) {
		k := taskFor(p, seed, 64<<10)
		k.Boxes = 1 << 30
		ranks = append(ranks, h.rank(k))
	}
	hold := taskFor(p, 9, 64<<10)
	hold.Hold, hold.Boxes = true, 0
	holder := h.rank(hold)
	for _, r := range ranks {
		r.expect(t, "open")
	}
	holder.expect(t, "open", "holding")
	h.service.Process.Kill()
	h.service.Wait()
	for i, r := range ranks {
		if got := r.line(); !strings.Contains(got, ErrLost.Error()) {
			t.Errorf("rank %d says %q", i, got)
		}
		if err := r.cmd.Wait(); err == nil {
			t.Errorf("rank %d ends with success", i)
		}
	}
}
