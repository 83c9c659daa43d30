package agent

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/agent/guard"
	"gridrun/internal/testnet"
	"gridrun/internal/wire"
	"gridrun/rt"
)

// secret is what ranks send each other.
const secret = "the pressure at 850 hPa is nobody's business"

// netRank is a rank of the jobs of this file, in a process of its own.
func netRank(ctx context.Context, w *rt.World) error {
	me, n := w.Rank(), w.Size()
	in := make([]byte, len(secret))
	exchange := func(to, from int) error {
		if _, err := rt.SendRecv(ctx, w, to, []byte(secret), from, in, 5); err != nil {
			return err
		}
		if string(in) != secret {
			return fmt.Errorf("rank %d sends %q", from, in)
		}
		return nil
	}
	switch w.Args()[0] {
	case "all": // talks to every other rank
		for d := 1; d < n; d++ {
			if err := exchange((me+d)%n, (me+n-d)%n); err != nil {
				return err
			}
		}
	case "talk": // for ever, with the rank on the other side
		for i := 0; ; i++ {
			if err := exchange((me+n/2)%n, (me+n/2)%n); err != nil {
				return err
			}
			if i == 10 {
				fmt.Fprintln(w.Stdout(), "talking")
			}
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
		}
	case "wait": // for ever, after one exchange
		other := (me + n/2) % n
		if err := exchange(other, other); err != nil {
			return err
		}
		fmt.Fprintln(w.Stdout(), "talking")
		_, err := rt.Recv(ctx, w, other, 6, in)
		return err
	}
	fmt.Fprintln(w.Stdout(), "done")
	return nil
}

// install copies this test binary to every host.
func install(t *testing.T, n *testnet.Net) {
	t.Helper()
	b, err := os.ReadFile(guard.SelfExe)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n.Len() {
		if err := os.WriteFile(n.Host(i).Path("/root/gridrun"), b, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// spread starts a job on the hosts: one process for each word of each of them.
// Every agent learns the others' addresses, the likeliest last.
func spread(t *testing.T, n *testnet.Net, hosts []int, change func(*wire.Start), words ...string) []*host {
	t.Helper()
	var procs []wire.ProcSpec
	for _, w := range words {
		procs = append(procs, wire.ProcSpec{Job: "rt", Args: []string{w}})
	}
	each := make([][]wire.ProcSpec, len(hosts))
	for i := range each {
		each[i] = procs
	}
	var agents []*host
	for i, s := range pair(each...) {
		s.Net = nil
		change(s)
		complete(s)
		a := guardAs(t, n.Command(hosts[i], "/root/gridrun", "__guard"))
		a.send(s)
		agents = append(agents, a)
	}
	for i, a := range agents {
		addrs := slices.Clone(await(a, anyOf[*wire.Ready]).Addrs)
		slices.Reverse(addrs)
		for _, b := range agents {
			b.send(&wire.Located{Host: i, Addrs: addrs})
		}
	}
	return agents
}

// sniff counts the packets on a host's eth0, and those that show secret, until
// it is told to stop.
func sniff(t *testing.T, h *testnet.Host) (stop func() (packets, shown int)) {
	t.Helper()
	fd := -1
	err := h.Do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 10000})
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		const all = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network order
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: eth0.Index})
	})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	end := make(chan struct{})
	packets, shown := 0, 0
	wg.Go(func() {
		b := make([]byte, 1<<17)
		for {
			n, err := unix.Read(fd, b)
			switch {
			case n > 0:
				packets++
				if bytes.Contains(b[:n], []byte(secret)) {
					shown++
				}
			case err == unix.EAGAIN:
				select {
				case <-end:
					return
				default:
				}
			case err != unix.EINTR:
				t.Error("sniffing:", err)
				return
			}
		}
	})
	return func() (int, int) {
		close(end)
		wg.Wait()
		unix.Close(fd)
		return packets, shown
	}
}

// Three hosts that all have a bridge with the same address, a port range of two,
// and two jobs at the same time: everybody finds the right process. What
// travels can be read unless it is encrypted.
func TestHosts(t *testing.T) {
	n := testnet.New(t, testnet.Config{Hosts: 3})
	install(t, n)
	for i := range n.Len() {
		script := "ip link add docker0 type veth peer name docker1 && ip link set docker1 up && ip addr add 172.17.0.1/16 dev docker0 && ip link set docker0 up"
		if out, err := n.Command(i, "sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	ports := wire.PortRange{Lo: 7000, Hi: 7001}
	for _, encrypt := range []bool{false, true} {
		stop := sniff(t, n.Host(0))
		jobs := [][]*host{}
		for j := range 2 {
			jobs = append(jobs, spread(t, n, []int{0, 1, 2}, func(s *wire.Start) {
				s.Job, s.Key = fmt.Sprint("job", j), bytes.Repeat([]byte{byte(j)}, 32)
				s.Ports, s.Encrypt = ports, encrypt
			}, "all", "all"))
		}
		for _, agents := range jobs {
			for i, a := range agents {
				ready := await(a, anyOf[*wire.Ready])
				if !slices.ContainsFunc(ready.Addrs, func(s string) bool { return strings.HasPrefix(s, "172.17.0.1:") }) {
					t.Errorf("no bridge among %v: the test proves nothing", ready.Addrs)
				}
				a.done()
				for p := range 2 {
					if out := a.output(2*i+p, false); out != "done\n" {
						t.Errorf("process %d on host %d: %q", 2*i+p, i, out)
					}
				}
			}
		}
		packets, shown := stop()
		if packets < 20 || encrypt == (shown > 0) {
			t.Errorf("encrypt %v: %d of %d packets show the payload", encrypt, shown, packets)
		}
	}
	// All is taken on host 0, and on the chosen network there is nothing.
	for text, change := range map[string]func(s *wire.Start){
		"--port 22-22 is taken":                         func(s *wire.Start) { s.Ports = wire.PortRange{Lo: 22, Hi: 22} },
		"no address of this host lies within --net 9.0": func(s *wire.Start) { s.Net = []string{"9.0.0.0/8"} },
	} {
		s := pair([]wire.ProcSpec{shell("true")}, nil)[0]
		s.Net = nil
		change(s)
		complete(s)
		a := guardAs(t, n.Command(0, "/root/gridrun", "__guard"))
		a.send(s)
		if trouble := await(a, anyOf[*wire.Trouble]); !strings.Contains(trouble.Text, text) {
			t.Errorf("%+v, want %q", trouble, text)
		}
	}
	s := pair([]wire.ProcSpec{shell("true")}, nil)[0]
	s.Net = []string{n.Host(0).Addr + "/24"}
	complete(s)
	a := guardAs(t, n.Command(0, "/root/gridrun", "__guard"))
	a.send(s)
	if ready := await(a, anyOf[*wire.Ready]); len(ready.Addrs) != 1 || !strings.HasPrefix(ready.Addrs[0], n.Host(0).Addr+":") {
		t.Errorf("announces %v", ready.Addrs)
	}
	a.done()
}

// A network that fails between two hosts, of which the agents notice nothing,
// ends what waits for it, busy or idle, with an error that names both.
func TestCutBetweenHosts(t *testing.T) {
	t.Parallel()
	n := testnet.New(t, testnet.Config{Hosts: 3})
	install(t, n)
	none := func(*wire.Start) {}
	if err := n.CutBetween(0, 2); err != nil {
		t.Fatal(err)
	}
	apart := spread(t, n, []int{0, 2}, none, "all")
	agents := spread(t, n, []int{0, 1}, none, "talk", "wait")
	for i, a := range agents {
		a.awaitOutput(2*i, "talking")
		a.awaitOutput(2*i+1, "talking")
	}
	if err := n.CutBetween(0, 1); err != nil {
		t.Fatal(err)
	}
	for i, a := range agents {
		for _, proc := range []int{2 * i, 2*i + 1} {
			failed := await(a, func(m *wire.Failed) bool { return m.Failure.Rank == proc }).Failure
			way := fmt.Sprintf("%c to process %d on %c at %s", 'a'+i, (proc+2)%4, 'b'-i, n.Host(1-i).Addr)
			if !strings.Contains(failed.Text, way) || !strings.Contains(failed.Text, "the network between them is cut") {
				t.Errorf("rank %d: %s\nwant %q", proc, failed.Text, way)
			}
		}
		a.done()
	}
	for i, a := range apart {
		failed := await(a, func(m *wire.Failed) bool { return m.Failure.Rank == i }).Failure
		for _, part := range []string{fmt.Sprintf("%c cannot reach process %d on %c", 'a'+i, 1-i, 'b'-i), n.Host(2 - 2*i).Addr, "no answer", "--net", "--port"} {
			if !strings.Contains(failed.Text, part) {
				t.Errorf("rank %d: %s\nwant %q", i, failed.Text, part)
			}
		}
		a.done()
	}
}
