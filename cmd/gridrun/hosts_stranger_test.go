//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/collectives"
	"gridrun/internal/testnet"
	"gridrun/rt"
)

// work is the rank program of these tests: the ranks add up numbers, and check
// the sum, until rank 0 gets SIGUSR1.
func work(ctx context.Context, w *rt.World) error {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	n := int64(w.Size())
	for round := int64(0); ; round++ {
		x := []int64{round + int64(w.Rank()), 0}
		if w.Rank() == 0 && len(asked) > 0 {
			x[1] = 1
		}
		if err := collectives.AllReduce(ctx, w, x, collectives.Sum[int64]); err != nil {
			return err
		}
		if want := n*round + n*(n-1)/2; x[0] != want {
			return fmt.Errorf("round %d: the sum is %d, want %d", round, x[0], want)
		}
		switch {
		case round == 0:
			fmt.Fprintln(w.Stdout(), "up")
		case x[1] > 0:
			fmt.Fprintln(w.Stdout(), "right")
			return nil
		}
	}
}

// strangerPort is where the hosts of these tests listen.
const strangerPort = "5000"

// words are what strangers say first. Some then wait, some hang up.
var strangerWords = [][]byte{
	[]byte("GET / HTTP/1.0\r\n\r\n"),
	[]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), // TLS, and no more
	{},             // nothing at all
	[]byte("GRT1"), // half a word
	append([]byte("GRT1"), bytes.Repeat([]byte{0xff}, 1<<16)...),                      // no such version, and much of it
	append(binary.LittleEndian.AppendUint32([]byte("GRT1"), 1), make([]byte, 400)...), // a job of zeros
	append([]byte("\x00gridrun\x01"), 0xff, 0xff, 0xff, 0xff, 1),                      // a control message of 4 GiB
	bytes.Repeat([]byte("stranger"), 1<<13),
}

// TestStrangers: somebody on the network connects to the port of every host of a
// job from before it is there until its end, floods it, says what it likes and
// repeats what it has heard from the ranks. The job's results are right, the port
// answers nobody else, and the agents stay small.
func TestStrangers(t *testing.T) { // not in parallel: strangers take what CPU there is
	c := newCluster(t, testnet.Config{Hosts: 2})
	for _, flags := range [][]string{nil, {"--encrypt"}} {
		t.Run("with"+strings.Join(flags, ""), func(t *testing.T) {
			heard := listenIn(t, c)
			stop, connected := flood(t, c)
			args := append(flags, "-H", c.hosts(3), "--wdir", "/", "--port", strangerPort, "--timeout", "300", filepath.Join(c.dir, "tester"), "work")
			l := c.launch(t, "", args...)
			l.await(t, 6, "up")
			seen := connected.Load()
			poll(t, "1500 more connections of strangers", func() bool { return connected.Load() > seen+1500 })
			for i := range c.Len() {
				for _, p := range c.find(t, i, "agent") {
					if kib := statusField(t, p.PID, "VmHWM"); kib > 100<<10 {
						t.Errorf("the agent on node%d has grown to %d KiB", i+1, kib)
					}
					if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.PID)); err == nil && len(fds) > 1200 {
						t.Errorf("the agent on node%d has %d descriptors open", i+1, len(fds))
					}
				}
			}
			stop()
			replayed := 0
			for _, said := range heard() {
				replay(t, c, said)
				replayed++
			}
			if replayed == 0 {
				t.Error("nothing was heard that could be repeated")
			}
			l.cmd.Process.Signal(syscall.SIGUSR1)
			if code := l.wait(t); code != 0 || strings.Count(l.out.String(), "right\n") != 6 {
				t.Errorf("code %d: %s, %s", code, l.out, l.errOut)
			}
			c.clean(t, nil, nil)
		})
	}
}

// dialHost connects from the front to the port of host i.
func dialHost(c *cluster, i int) (conn net.Conn, err error) {
	err = c.Front().Do(func() error {
		conn, err = net.DialTimeout("tcp4", net.JoinHostPort(c.Host(i).Addr, strangerPort), time.Second)
		return err
	})
	return conn, err
}

// flood has strangers connect again and again until stop, which joins them;
// connected counts.
func flood(t *testing.T, c *cluster) (stop func(), connected *atomic.Int64) {
	ctx, cancel := context.WithCancel(context.Background())
	connected = new(atomic.Int64)
	var all sync.WaitGroup
	for s := range 4 {
		all.Go(func() {
			var open []net.Conn
			defer func() {
				for _, conn := range open {
					conn.Close()
				}
			}()
			random := rand.New(rand.NewPCG(uint64(s), 1))
			for ctx.Err() == nil {
				conn, err := dialHost(c, random.IntN(c.Len()))
				if err != nil {
					time.Sleep(time.Millisecond) // nobody listens yet
					continue
				}
				connected.Add(1)
				conn.SetDeadline(time.Now().Add(time.Second))
				conn.Write(strangerWords[random.IntN(len(strangerWords))])
				if random.IntN(3) == 0 {
					conn.Close()
				} else {
					open = append(open, conn)
				}
				if len(open) > 400 {
					open[0].Close()
					open = open[1:]
				}
			}
		})
	}
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); all.Wait() }) }
	t.Cleanup(stop)
	return stop, connected
}

// listenIn hears what the ranks of node1 and node2 send each other's port, as
// somebody on the path would: heard returns the first kilobyte of what each
// connection's opener has said. Connections of strangers, who have the front's
// address, are left out.
func listenIn(t *testing.T, c *cluster) (heard func() [][]byte) {
	t.Helper()
	var fd int
	err := c.Host(0).Do(func() (err error) {
		const all = 0x0300 // ETH_P_ALL in network order
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, all)
		if err == nil {
			err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 20000})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.Atoi(strangerPort)
	front := net.ParseIP(c.Front().Addr).To4()
	var quit atomic.Bool
	done := make(chan struct{})
	flows := map[string][]byte{}
	go func() {
		defer close(done)
		b := make([]byte, 1<<16)
		for !quit.Load() {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if err != nil || n < 40 || b[0]>>4 != 4 || b[9] != unix.IPPROTO_TCP {
				continue
			}
			head := int(b[0]&15) * 4
			tcp := b[head:n]
			payload := tcp[min(int(tcp[12]>>4)*4, len(tcp)):]
			if int(binary.BigEndian.Uint16(tcp[2:])) != port || len(payload) == 0 || bytes.Equal(b[12:16], front) {
				continue
			}
			flow := string(b[12:20]) + string(tcp[:2])
			if len(flows[flow]) < 1024 {
				flows[flow] = append(flows[flow], payload...)
			}
		}
	}()
	var once sync.Once
	stop := func() {
		once.Do(func() {
			quit.Store(true)
			<-done
			unix.Close(fd)
		})
	}
	t.Cleanup(stop)
	return func() (said [][]byte) {
		stop()
		for _, text := range flows {
			said = append(said, text)
		}
		return said
	}
}

// replay says to node1's port what a rank has said, word for word. The owner may
// answer the first word, which anybody may hear; the rest was an answer to
// another nonce, so the connection must end without one more byte.
func replay(t *testing.T, c *cluster, said []byte) {
	t.Helper()
	conn, err := dialHost(c, 0)
	if err != nil {
		t.Errorf("the port takes no connections any more: %v", err)
		return
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patient))
	if _, err := conn.Write(said); err != nil {
		return // it has hung up already
	}
	// An owner's answer is 64 bytes; within TLS the server's flight is longer.
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after %d repeated bytes the connection stays open; answered %d bytes", len(said), len(answer))
	}
	if bytes.HasPrefix(said, []byte("GRT1")) && len(answer) > 64 {
		t.Errorf("a repeated conversation got %d bytes of answers", len(answer))
	}
}

// statusField is a number of /proc/PID/status, of the process that this machine calls pid.
func statusField(t *testing.T, pid int, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s of process %d", name, pid)
	return 0
}
