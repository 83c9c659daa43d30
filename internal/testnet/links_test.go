//go:build linux

package testnet

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// connect makes a connection from one host to another; both ends are ours.
func connect(t *testing.T, from, to *Host, v6 bool) (client, server net.Conn) {
	t.Helper()
	var listener net.Listener
	addr := to.Addr
	if v6 {
		addr = to.Addr6
	}
	err := to.Do(func() (err error) {
		listener, err = net.Listen("tcp", net.JoinHostPort(addr, "0"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = from.Do(func() (err error) {
		client, err = net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if server, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// silence is how long a test listens to be sure that nothing comes.
const silence = 100 * time.Millisecond

// passes sends a byte and reports whether it arrives within the time.
func passes(t *testing.T, from, to net.Conn, within time.Duration) bool {
	t.Helper()
	if _, err := from.Write([]byte{1}); err != nil {
		t.Fatal(err)
	}
	return arrives(t, to, within)
}

func arrives(t *testing.T, to net.Conn, within time.Duration) bool {
	t.Helper()
	to.SetReadDeadline(time.Now().Add(within))
	_, err := io.ReadFull(to, make([]byte, 1))
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	return err == nil
}

// long is more than any step takes.
const long = 10 * time.Second

func TestCutAndRestore(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 2, IPv6: true})
	for _, v6 := range []bool{false, true} {
		near, far := connect(t, n.Front(), n.Host(0), v6)
		if !passes(t, near, far, long) || !passes(t, far, near, long) {
			t.Fatal("nothing passes an intact link")
		}
		if err := n.Cut(0); err != nil {
			t.Fatal(err)
		}
		if passes(t, near, far, silence) || passes(t, far, near, silence) {
			t.Error("a cut link still carries")
		}
		other, far2 := connect(t, n.Front(), n.Host(1), v6)
		if !passes(t, other, far2, long) {
			t.Error("another host's link was cut too")
		}
		if err := n.Restore(0); err != nil {
			t.Fatal(err)
		}
		if !arrives(t, far, long) || !arrives(t, near, long) {
			t.Error("what was sent meanwhile did not arrive after the link was restored")
		}
	}
}

func TestCutBetweenTwoHosts(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 3, IPv6: true})
	for _, v6 := range []bool{false, true} {
		a, b := connect(t, n.Host(0), n.Host(1), v6)
		if err := n.CutBetween(0, 1); err != nil {
			t.Fatal(err)
		}
		if passes(t, a, b, silence) || passes(t, b, a, silence) {
			t.Error("two hosts that are cut from each other still talk")
		}
		for _, pair := range [][2]*Host{{n.Front(), n.Host(0)}, {n.Front(), n.Host(1)}, {n.Host(2), n.Host(0)}, {n.Host(1), n.Host(2)}} {
			x, y := connect(t, pair[0], pair[1], v6)
			if !passes(t, x, y, long) || !passes(t, y, x, long) {
				t.Errorf("%s and %s are cut too", pair[0].Name, pair[1].Name)
			}
		}
		if err := n.RestoreBetween(0, 1); err != nil {
			t.Fatal(err)
		}
		if !arrives(t, b, long) || !arrives(t, a, long) {
			t.Error("what was sent meanwhile did not arrive after the link was restored")
		}
	}
	// The front loses one host, and reaches it through another.
	if err := n.CutBetween(FrontIndex, 0); err != nil {
		t.Fatal(err)
	}
	if out, err := sshTo(n, "node1", "true", "-o", "ConnectTimeout=1"); err == nil || !strings.Contains(out, "timed out") {
		t.Errorf("ssh to a host behind a cut: %q, %v", out, err)
	}
	if out, err := sshTo(n, "node1", "hostname", "-J", "node2"); err != nil || out != "node1" {
		t.Errorf("ssh through another host: %q, %v", out, err)
	}
	if err := n.RestoreBetween(0, FrontIndex); err != nil {
		t.Fatal(err)
	}
	if err := n.CutBetween(1, 1); err == nil {
		t.Error("a host was cut from itself")
	}
}

// transfer sends size bytes and returns the time until all have arrived.
func transfer(t *testing.T, from, to net.Conn, size int) time.Duration {
	t.Helper()
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		_, err := from.Write(make([]byte, size))
		sent <- err
	}()
	to.SetReadDeadline(time.Now().Add(60 * time.Second))
	if _, err := io.ReadFull(to, make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

func TestShape(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 1})
	a, b := connect(t, n.Front(), n.Host(0), false)
	const size, rate = 1 << 20, 16_000_000 // 0.52 s
	if err := n.Shape(0, rate); err != nil {
		t.Fatal(err)
	}
	for i, pair := range [][2]net.Conn{{a, b}, {b, a}} {
		took := transfer(t, pair[0], pair[1], size)
		t.Logf("direction %d: %v", i, took)
		if took < 400*time.Millisecond { // the token bucket allows no more, on any machine
			t.Errorf("direction %d: 1 MiB at 16 Mbit/s took %v", i, took)
		}
	}
	for range 2 { // unlimited, and unlimited again
		if err := n.Shape(0, 0); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := n.Command(0, "tc", "qdisc", "show", "dev", "eth0").Output(); err != nil || strings.Contains(string(out), "tbf") {
		t.Errorf("the limit is still there: %q, %v", out, err)
	}
	if err := n.Shape(0, -1); err == nil {
		t.Error("a negative rate was accepted")
	}
}

// roundTrip is the best of several.
func roundTrip(t *testing.T, a, b net.Conn) time.Duration {
	t.Helper()
	best := time.Hour
	for range 5 {
		began := time.Now()
		if !passes(t, a, b, long) || !passes(t, b, a, long) {
			t.Fatal("nothing passes")
		}
		best = min(best, time.Since(began))
	}
	return best
}

func TestDelay(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 2, IPv6: true})
	a, b := connect(t, n.Front(), n.Host(0), false)
	c, d := connect(t, n.Host(0), n.Host(1), true)
	for _, step := range []struct {
		oneWay, other time.Duration
	}{{20 * time.Millisecond, 0}, {20 * time.Millisecond, 10 * time.Millisecond}, {0, 10 * time.Millisecond}, {0, 0}} {
		if err := n.Delay(0, step.oneWay); err != nil {
			t.Fatal(err)
		}
		if err := n.Delay(1, step.other); err != nil {
			t.Fatal(err)
		}
		front, hosts := roundTrip(t, a, b), roundTrip(t, c, d)
		t.Logf("one way %v and %v: from the front %v, between the hosts %v", step.oneWay, step.other, front, hosts)
		if front < 2*step.oneWay {
			t.Errorf("a delay of %v one way, and a round trip took %v", step.oneWay, front)
		}
		if want := 2 * (step.oneWay + step.other); hosts < want {
			t.Errorf("a round trip between the hosts took %v: want at least %v", hosts, want)
		}
	}
	// No relay and no TAP device is left.
	if len(n.relays) != 0 {
		t.Errorf("%d relays are left", len(n.relays))
	}
	if err := inNet(n.sw.Process.Pid, "", n.tools.ip, "link", "show", "near1"); err == nil {
		t.Error("a TAP device is left")
	}
	if err := n.Delay(0, -time.Second); err == nil {
		t.Error("a negative delay was accepted")
	}
	// Much data arrives whole through the relay.
	if err := n.Delay(0, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	t.Logf("16 MiB through the relay: %v", transfer(t, a, b, 16<<20))
}

func TestLose(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 1})
	a, b := connect(t, n.Front(), n.Host(0), false)
	if err := n.Lose(0, 1); err != nil {
		t.Fatal(err)
	}
	if passes(t, a, b, silence) {
		t.Error("a link that loses everything carries")
	}
	if err := n.Lose(0, 0.05); err != nil {
		t.Fatal(err)
	}
	if !arrives(t, b, long) {
		t.Error("a link that loses little carries nothing")
	}
	transfer(t, a, b, 64<<10)
	for _, share := range []float64{-0.1, 1.1} {
		if err := n.Lose(0, share); err == nil {
			t.Errorf("a loss of %v was accepted", share)
		}
	}
}
