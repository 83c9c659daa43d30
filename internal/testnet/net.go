//go:build linux

package testnet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Config says what net to make. Only Hosts must be set.
type Config struct {
	// Hosts is the number of hosts besides the front, 1 to 250.
	Hosts int
	// IPv6 gives every host an IPv6 address besides the IPv4 one; its name
	// resolves to both.
	IPv6 bool
	// ExtraBridge is an address with prefix length, like "172.17.0.1/16", that
	// every host has on an interface docker0 of its own: the same on all, and
	// of no use between hosts.
	ExtraBridge string
	// Mutual lets every host log in to every other, as clusters for MPI are set
	// up. Otherwise only the front has the client's key.
	Mutual bool
	// SSHPort is the port of all OpenSSH servers. The zero value is 22.
	SSHPort int
	// Share lists files and directories of this machine below /tmp, /var/tmp or
	// the home that all hosts see at the same path, as on a shared file system.
	Share []string
	// DiskSize limits each of a host's file systems, as in mount's size=. The
	// zero value is "1g".
	DiskSize string
}

// withDefaults returns the completed configuration, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Hosts < 1 || c.Hosts > 250 {
		return c, fmt.Errorf("testnet: %d hosts: choose 1 to 250", c.Hosts)
	}
	if c.SSHPort < 0 || c.SSHPort > 65535 {
		return c, fmt.Errorf("testnet: port %d: choose 1 to 65535", c.SSHPort)
	}
	if c.SSHPort == 0 {
		c.SSHPort = 22
	}
	if c.DiskSize == "" {
		c.DiskSize = "1g"
	}
	c.Share = append([]string(nil), c.Share...)
	for i, path := range c.Share {
		abs, err := filepath.Abs(path)
		if err != nil {
			return c, fmt.Errorf("testnet: share %s: %w", path, err)
		}
		if _, err := os.Stat(abs); err != nil {
			return c, fmt.Errorf("testnet: share: %w", err)
		}
		c.Share[i] = abs
	}
	return c, nil
}

// Net is a running set of hosts. Its methods may be called by several goroutines.
type Net struct {
	cfg   Config
	dir   string // keys, client configuration and the files every host shows in /etc
	tools tools
	keys  *keys

	lifeline *os.File // writing end of the pipe that every holder reads
	stdin    *os.File // its reading end
	sw       *exec.Cmd
	hosts    []*Host
	front    *Host

	mu     sync.Mutex
	relays map[int]*relay // by host
	shaped map[int]bool

	closing  sync.Once
	closeErr error
}

// readyTime is the time all servers together have to answer.
const readyTime = 60 * time.Second

// Open makes a net. Tests call [New] instead.
func Open(cfg Config) (n *Net, err error) {
	cfg, err = cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	n = &Net{cfg: cfg, relays: map[int]*relay{}, shaped: map[int]bool{}}
	if n.tools, err = findTools(); err != nil {
		return nil, err
	}
	n.dir = filepath.Join(os.TempDir(), "testnet-"+rand.Text())
	defer func() {
		if err != nil {
			err = errors.Join(err, n.Close())
			n = nil
		}
	}()
	if n.stdin, n.lifeline, err = os.Pipe(); err != nil {
		return n, fmt.Errorf("testnet: %w", err)
	}
	n.front = &Host{net: n, Name: "front", index: FrontIndex}
	n.front.setAddress(frontNumber)
	for i := range cfg.Hosts {
		h := &Host{net: n, Name: fmt.Sprintf("node%d", i+1), Port: cfg.SSHPort, index: i}
		h.setAddress(i + 1)
		n.hosts = append(n.hosts, h)
	}
	// Whatever is made from here on, the switch's holder removes if we die.
	if err = n.startSwitch(); err != nil {
		return n, err
	}
	if err = os.Mkdir(n.dir, 0o700); err != nil {
		return n, fmt.Errorf("testnet: %w", err)
	}
	if n.keys, err = newKeys(len(n.hosts)); err != nil {
		return n, err
	}
	if err = n.writeFiles(); err != nil {
		return n, err
	}
	if err = n.front.start(); err != nil {
		return n, err
	}
	if err = inParallel(n.hosts, (*Host).start); err != nil {
		return n, err
	}
	if err = n.plugIn(); err != nil {
		return n, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	err = inParallel(n.hosts, func(h *Host) error { return h.awaitBanner(ctx) })
	return n, err
}

// inParallel runs fn for every host, a few at a time, and joins the errors.
func inParallel(hosts []*Host, fn func(*Host) error) error {
	const atOnce = 4 // the work is the kernel's, much of it under one lock
	errs := make([]error, len(hosts))
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, h := range hosts {
		slots <- struct{}{}
		all.Go(func() {
			errs[i] = fn(h)
			<-slots
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Len is the number of hosts besides the front.
func (n *Net) Len() int { return len(n.hosts) }

// Host returns host i, counted from 0: Host(0) is node1.
func (n *Net) Host(i int) *Host { return n.hosts[i] }

// Front returns the host where the program under test is started.
func (n *Net) Front() *Host { return n.front }

// Dir is the net's directory on this machine, which the front sees too and the
// hosts do not. It is removed by [Net.Close]; tests may put files there.
func (n *Net) Dir() string { return n.dir }

// Command is a command for host i: see [Host.Command].
func (n *Net) Command(i int, args ...string) *exec.Cmd { return n.hosts[i].Command(args...) }

// FrontCommand is a command for the front: see [Host.Command].
func (n *Net) FrontCommand(args ...string) *exec.Cmd { return n.front.Command(args...) }

// Hostfile writes a hostfile that gives each host slots slots, and returns its path.
func (n *Net) Hostfile(slots int) (string, error) {
	var b strings.Builder
	for _, h := range n.hosts {
		fmt.Fprintf(&b, "%s slots=%d\n", h.Name, slots)
	}
	path := filepath.Join(n.dir, fmt.Sprintf("hostfile.%d", slots))
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		return "", fmt.Errorf("testnet: write the hostfile: %w", err)
	}
	return path, nil
}

// Close ends every process of the net, on the hosts and on the front, and waits
// until they are gone; the namespaces go with them. It may be called twice.
func (n *Net) Close() error {
	n.closing.Do(func() { n.closeErr = n.close() })
	return n.closeErr
}

func (n *Net) close() error {
	n.mu.Lock()
	relays := n.relays
	n.relays = map[int]*relay{}
	n.mu.Unlock()
	for _, r := range relays {
		r.close()
	}
	if n.lifeline != nil {
		n.lifeline.Close()
		n.stdin.Close()
	}
	var errs []error
	for _, h := range append([]*Host{n.front}, n.hosts...) {
		if h != nil && h.holder != nil {
			errs = append(errs, awaitExit(h.holder)) // and with process 1, by the kernel's rule, all others
		}
	}
	if n.sw != nil {
		errs = append(errs, awaitExit(n.sw))
	}
	// The holders have removed it, unless none was started.
	if err := os.RemoveAll(n.dir); err != nil {
		errs = append(errs, fmt.Errorf("testnet: %w", err))
	}
	return errors.Join(errs...)
}

// exitTime is what a holder has to end after its lifeline was cut.
const exitTime = 20 * time.Second

// awaitExit waits for a holder, and kills it if it does not end by itself.
func awaitExit(cmd *exec.Cmd) error {
	late := time.AfterFunc(exitTime, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		return fmt.Errorf("testnet: %s (process %d) did not end by itself in %v", cmd.Path, cmd.Process.Pid, exitTime)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return nil // a test may kill a holder: that is how a host dies
		}
	}
	if err != nil {
		return fmt.Errorf("testnet: the end of %s: %w", cmd.Path, err)
	}
	return nil
}

// tools are the programs a net is made with.
type tools struct{ ip, tc, nsenter, setpriv, sshd, sh string }

// needed lists them with the Debian packages that hold them.
func (t *tools) needed() []tool {
	return []tool{
		{&t.ip, "ip", "iproute2"},
		{&t.tc, "tc", "iproute2"},
		{&t.nsenter, "nsenter", "util-linux"},
		{&t.setpriv, "setpriv", "util-linux"},
		{&t.sshd, "sshd", "openssh-server"},
		{&t.sh, "sh", "dash"},
	}
}

type tool struct {
	path      *string
	name, pkg string
}

func findTools() (tools, error) {
	var t tools
	for _, need := range t.needed() {
		path, err := findTool(need.name)
		if err != nil {
			return t, fmt.Errorf("testnet: no program %s: install the Debian package %s", need.name, need.pkg)
		}
		*need.path = path
	}
	return t, nil
}

// findTool looks where a user's path often does not, too.
func findTool(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return exec.LookPath("/usr/sbin/" + name)
	}
	return path, nil
}
