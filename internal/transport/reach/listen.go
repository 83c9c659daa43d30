package reach

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"gridrun/internal/wire"
)

// Config says whose port it is and where it listens.
type Config struct {
	Job  string
	Key  []byte
	Host int // number of this host in the job
	// Net restricts the port to addresses within these CIDRs; empty: every
	// interface, and Addrs names those that are no loopback if there are any.
	// A CIDR that is one loopback address needs no interface that has it.
	Net   []string
	Ports wire.PortRange
	// Loopback: all of the job is on this host, nobody else is to connect.
	Loopback bool
}

// Listen opens the port. Serve must follow, or Close.
func Listen(cfg Config) (*Port, error) {
	if cfg.Ports.Lo < 0 || cfg.Ports.Hi > 65535 || cfg.Ports.Lo > cfg.Ports.Hi {
		return nil, fmt.Errorf("port range %d-%d: ports are 1 to 65535, the lower one first", cfg.Ports.Lo, cfg.Ports.Hi)
	}
	have, err := localAddrs()
	if err != nil {
		return nil, err
	}
	bind, announce, err := choose(cfg, have)
	if err != nil {
		return nil, err
	}
	listeners, err := bindAll(bind, cfg.Ports)
	if err != nil {
		return nil, err
	}
	p := &Port{job: newJob(cfg.Job, cfg.Key), host: cfg.Host, listeners: listeners, closed: make(chan struct{})}
	port := listeners[0].Addr().(*net.TCPAddr).AddrPort().Port()
	for _, a := range announce {
		p.addrs = append(p.addrs, netip.AddrPortFrom(a, port).String())
	}
	return p, nil
}

// choose says which addresses of those that the host has to bind, and which to
// announce. A bind address of "" is all of them.
func choose(cfg Config, have []netip.Addr) (bind []string, announce []netip.Addr, err error) {
	if len(cfg.Net) == 0 {
		loopback := loopbackOf(have)
		if cfg.Loopback {
			return []string{loopback.String()}, []netip.Addr{loopback}, nil
		}
		outside := slices.DeleteFunc(slices.Clone(have), netip.Addr.IsLoopback)
		if len(outside) == 0 { // all hosts of the job can only be this machine
			return []string{""}, []netip.Addr{loopback}, nil
		}
		return []string{""}, outside, nil
	}
	var nets []netip.Prefix
	for _, text := range cfg.Net {
		n, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, nil, fmt.Errorf("--net %s: not a network like 10.1.0.0/16 or fd00::/64", text)
		}
		nets = append(nets, n.Masked())
		if n.IsSingleIP() && n.Addr().IsLoopback() && !slices.Contains(have, n.Addr()) {
			have = append(have, n.Addr())
		}
	}
	for _, n := range nets { // in the user's order
		for _, a := range have {
			if n.Contains(a) && !slices.Contains(announce, a) {
				announce = append(announce, a)
				bind = append(bind, a.String())
			}
		}
	}
	if len(bind) == 0 {
		return nil, nil, fmt.Errorf("no address of this host lies within --net %s; it has %s", strings.Join(cfg.Net, ", "), list(have))
	}
	return bind, announce, nil
}

// loopbackOf is the address of this host for itself: 127.0.0.1, or ::1 where there is
// no other.
func loopbackOf(have []netip.Addr) netip.Addr {
	isIPv4 := func(a netip.Addr) bool { return a.IsLoopback() && a.Is4() }
	if slices.Contains(have, netip.IPv6Loopback()) && !slices.ContainsFunc(have, isIPv4) {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func list(addrs []netip.Addr) string {
	var s []string
	for _, a := range addrs {
		s = append(s, a.String())
	}
	if s == nil {
		return "none"
	}
	return strings.Join(s, ", ")
}

// localAddrs are the unicast addresses of interfaces that are up, those with a
// carrier first: a bridge without one leads nowhere. Link-local IPv6 addresses
// are left out: the name of their interface is part of them, and another host's.
func localAddrs() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("this host's network interfaces: %w", err)
	}
	slices.SortStableFunc(interfaces, func(a, b net.Interface) int {
		return cmp.Compare(b.Flags&net.FlagRunning, a.Flags&net.FlagRunning)
	})
	var out []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, ok := netip.AddrFromSlice(n.IP)
			if ip = ip.Unmap(); ok && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() && !ip.IsUnspecified() {
				out = append(out, ip)
			}
		}
	}
	return out, nil
}

// bindAll listens on all addresses with one port number of the range.
func bindAll(addrs []string, ports wire.PortRange) ([]*net.TCPListener, error) {
	tries := ports.Hi - ports.Lo + 1
	if ports.Hi == 0 {
		tries = 20 // a free port of the first address may be taken on the second
	}
	for i := range tries {
		port := 0
		if ports.Hi > 0 {
			port = max(ports.Lo, 1) + i
			if port > ports.Hi {
				break
			}
		}
		listeners, err := bindPort(addrs, port)
		if err == nil {
			return listeners, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EACCES) {
			return nil, fmt.Errorf("opening the host's port: %w", err)
		}
	}
	if ports.Hi == 0 {
		return nil, fmt.Errorf("no port is free on all of %s", strings.Join(addrs, ", "))
	}
	return nil, fmt.Errorf("every port of --port %d-%d is taken or not allowed on this host; give a wider range (each job takes one port a host), or end what holds them (ss -ltnp)", ports.Lo, ports.Hi)
}

func bindPort(addrs []string, port int) (out []*net.TCPListener, err error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // connections are passed on and looked into as plain TCP
	for _, a := range addrs {
		l, err := lc.Listen(context.Background(), "tcp", net.JoinHostPort(a, strconv.Itoa(port)))
		if err != nil {
			for _, o := range out {
				o.Close()
			}
			return nil, err
		}
		t := l.(*net.TCPListener)
		port = t.Addr().(*net.TCPAddr).Port
		out = append(out, t)
	}
	return out, nil
}
