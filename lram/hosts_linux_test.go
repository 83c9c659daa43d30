package lram

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Ranks of several hosts read random boxes: every element is right, and each block is read from storage once for all of them.
func TestAcrossHosts(t *testing.T) {
	small := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float32", []int{40, 30, 70})
	large := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "y", "float64", []int{40, 128, 256})
	for _, c := range []struct {
		hosts, ranks int
		memory       int64
		encrypt      bool
	}{
		{2, 2, 64 << 20, false},
		{2, 2, 64 << 20, true},
		{2, 3, 16 << 20, false},
		{4, 2, 16 << 20, true},
		{4, 2, 64 << 10, false},
		{16, 1, 16 << 20, false},
	} {
		t.Run(fmt.Sprintf("%d hosts of %d, %d bytes, encrypted %v", c.hosts, c.ranks, c.memory, c.encrypt), func(t *testing.T) {
			noLeaks(t)
			p, block := small, int64(8400) // a block a level
			if c.memory > 32<<20 {
				p, block = large, 256<<10
			}
			hosts := startHosts(t, c.hosts, c.encrypt)
			var ranks []*proc
			for i := range c.hosts * c.ranks {
				k := taskFor(p, uint64(i), c.memory)
				k.BlockSize = block
				k.All = true
				ranks = append(ranks, hosts[i%c.hosts].rank(k))
			}
			for _, r := range ranks {
				r.expect(t, "open", "done")
			}
			var sum counts
			for i, r := range ranks {
				n := r.count(t)
				sum.remote += n.remote
				sum.misses += n.misses
				if i < c.hosts {
					sum.decodes += n.decodes
					sum.read += n.read
					sum.moved += n.moved
				}
			}
			if c.memory > p.bytes {
				if sum.read != p.bytes || sum.decodes != 40 || sum.misses != 40 || sum.moved != int64(c.hosts-1)*p.bytes {
					t.Errorf("of %d bytes in 40 blocks: %+v", p.bytes, sum)
				}
			}
			for _, r := range ranks {
				r.leave(t)
			}
			for _, h := range hosts {
				h.end()
			}
		})
	}
}

// The service of one host is killed in the middle: ranks of all hosts get an error that names it, and none hangs.
func TestHomeKilled(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{60, 1024})
	hosts := startHosts(t, 3, false)
	var ranks []*proc
	for i := range 6 {
		k := taskFor(p, uint64(i), 64<<10)
		k.Boxes = 1 << 30
		ranks = append(ranks, hosts[i%3].rank(k))
	}
	for _, r := range ranks {
		r.expect(t, "open")
	}
	hosts[1].service.Process.Kill()
	hosts[1].service.Wait()
	for i, r := range ranks {
		got := r.line()
		// A host that was just asking the lost one whether the file is the same
		// passes that on, so another home may stand before the lost host's name.
		if i%3 == 1 && !strings.Contains(got, ErrLost.Error()) || i%3 != 1 && !(strings.Contains(got, "is kept by host ") && strings.Contains(got, "host node1: ")) {
			t.Errorf("rank %d says %q", i, got)
		}
		if err := r.cmd.Wait(); err == nil {
			t.Errorf("rank %d ends with success", i)
		}
	}
	hosts[0].end()
	hosts[2].end()
}

// A host that stands still for a while is waited for.
func TestHomeStopped(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{60, 1024})
	hosts := startHosts(t, 2, false)
	r := hosts[0].rank(taskFor(p, 1, 1<<20))
	r.expect(t, "open")
	hosts[1].service.Process.Signal(unix.SIGSTOP)
	hosts[1].service.Process.Signal(unix.SIGCONT)
	r.expect(t, "done")
	r.leave(t)
	for _, h := range hosts {
		h.end()
	}
}

// Who does not know the job's key gets nowhere, whatever it says, and disturbs nobody.
func TestStrangers(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 2)), t.TempDir(), "x", "float64", []int{60, 1024})
	hosts := startHosts(t, 2, false)
	r := hosts[0].rank(taskFor(p, 1, 1<<20))
	r.expect(t, "open")
	for _, words := range []string{"", "GET / HTTP/1.1\r\n\r\n", "gridrun-service \x02\x00\x04lram", strings.Repeat("x", 1<<16)} {
		c, err := net.Dial("tcp", hosts[1].port.Addrs()[0])
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(words))
		c.(*net.TCPConn).CloseWrite()
		if b, _ := io.ReadAll(c); len(b) > 0 {
			t.Errorf("a stranger that says %.20q hears %q", words, b)
		}
		c.Close()
	}
	r.expect(t, "done")
	r.leave(t)
	for _, h := range hosts {
		h.end()
	}
}
