//go:build linux

package testnet

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
)

// frontNumber is the front's place in the address plan.
const frontNumber = 255

// setAddress gives the host number k of the address plan: 10.93.0.k,
// fd93::k (in decimal digits) and a hardware address that ends in k.
func (h *Host) setAddress(k int) {
	h.Addr = fmt.Sprintf("10.93.0.%d", k)
	if k == frontNumber {
		h.Addr = "10.93.1.1"
	}
	if h.net.cfg.IPv6 {
		h.Addr6 = fmt.Sprintf("fd93::%d", k)
	}
	h.mac = fmt.Sprintf("02:93:00:00:00:%02x", k)
}

func (h *Host) isFront() bool { return h.index == FrontIndex }

// port is the name of the host's end at the switch.
func (h *Host) port() string {
	if h.isFront() {
		return h.Name
	}
	return fmt.Sprintf("port%d", h.index+1)
}

// links are the commands for ip that make the host's interfaces.
func (h *Host) links() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("link set lo up")
	line("link add eth0 address %s type veth peer name %s netns %d", h.mac, h.port(), h.net.sw.Process.Pid)
	line("link set eth0 addrgenmode none")
	line("link set eth0 up")
	line("addr add %s/16 dev eth0", h.Addr)
	if h.Addr6 != "" {
		line("addr add %s/64 dev eth0 nodad", h.Addr6)
	}
	for _, other := range append([]*Host{h.net.front}, h.net.hosts...) {
		if other != h {
			line("%s", other.neighbour(other.mac))
			if other.Addr6 != "" {
				line("%s", other.neighbour6(other.mac))
			}
		}
	}
	if h.net.cfg.ExtraBridge != "" && !h.isFront() {
		// A bridge without a port would be down; one end of a pair keeps it up.
		line("link add docker0 type bridge")
		line("link add container0 type veth peer name container1")
		line("link set container0 master docker0 up")
		line("link set container1 up")
		line("link set docker0 up")
		line("addr add %s dev docker0", h.net.cfg.ExtraBridge)
	}
	return b.String()
}

// neighbour is the command that makes other hosts find h at hardware address mac.
func (h *Host) neighbour(mac string) string {
	return fmt.Sprintf("neigh replace %s lladdr %s dev eth0 nud permanent", h.Addr, mac)
}

func (h *Host) neighbour6(mac string) string {
	return fmt.Sprintf("neigh replace %s lladdr %s dev eth0 nud permanent", h.Addr6, mac)
}

// switchScript holds the switch. It is the first process of a net, so it removes
// the directory if no front lived to do so.
const switchScript = `cat -u >/dev/null; rm -rf "$0"; exit 0`

// startSwitch makes the namespace of the bridge and its holder.
func (n *Net) startSwitch() error {
	cmd := exec.Command(n.tools.sh, "-c", switchScript, n.dir)
	cmd.Stdin = n.stdin
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("testnet: start the switch: %w", err)
	}
	n.sw = cmd
	return n.ip("link set lo up", "link add switch type bridge mcast_snooping 0", "link set switch addrgenmode none", "link set switch up")
}

// ip runs ip commands in the switch.
func (n *Net) ip(lines ...string) error {
	return inNet(n.sw.Process.Pid, strings.Join(lines, "\n")+"\n", n.tools.ip, "-batch", "-")
}

// plugIn connects all hosts with the switch.
func (n *Net) plugIn() error {
	var lines []string
	for _, h := range append([]*Host{n.front}, n.hosts...) {
		lines = append(lines,
			fmt.Sprintf("link set %s addrgenmode none", h.port()),
			fmt.Sprintf("link set %s master switch up", h.port()))
	}
	return n.ip(lines...)
}

// Cut takes the link of host i down: from now on it neither hears nor is heard.
func (n *Net) Cut(i int) error { return n.ip("link set " + n.hosts[i].port() + " down") }

// Restore ends what Cut did.
func (n *Net) Restore(i int) error { return n.ip("link set " + n.hosts[i].port() + " up") }

// FrontIndex stands for the front where two hosts are named by their indices.
const FrontIndex = -1

// at returns the host with index i, or the front.
func (n *Net) at(i int) *Host {
	if i == FrontIndex {
		return n.front
	}
	return n.hosts[i]
}

// CutBetween loses all that hosts i and j send each other; one of them may be
// [FrontIndex]. Their links to all others stay up.
func (n *Net) CutBetween(i, j int) error {
	a, b := n.at(i), n.at(j)
	// A frame to one's own hardware address does not pass the switch.
	return between(a, b, a.mac, b.mac)
}

// RestoreBetween ends what CutBetween did.
func (n *Net) RestoreBetween(i, j int) error {
	a, b := n.at(i), n.at(j)
	return between(a, b, b.mac, a.mac)
}

// between makes a find b at macOfB, and b find a at macOfA.
func between(a, b *Host, macOfB, macOfA string) error {
	if a == b {
		return fmt.Errorf("testnet: %s has no link to itself", a.Name)
	}
	if err := a.learn(b, macOfB); err != nil {
		return err
	}
	return b.learn(a, macOfA)
}

func (h *Host) learn(other *Host, mac string) error {
	lines := other.neighbour(mac) + "\n"
	if other.Addr6 != "" {
		lines += other.neighbour6(mac) + "\n"
	}
	return inNet(h.PID(), lines, h.net.tools.ip, "-batch", "-")
}
