// Package checkup is the agent's part of `gridrun hosts check`: what a host is
// like, and which hosts it reaches. No process is started.
//
// The port serves connections in goroutines of its own, which Close joins; Try
// joins its own before it returns.
package checkup

import (
	"context"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/cpuset"
	"gridrun/internal/transport/reach"
	"gridrun/internal/wire"
)

// tryTime is how long an address of another host may take to answer a check.
const tryTime = 5 * time.Second

// A Checkup answers the launcher's questions about this host before, or instead
// of, Start: `gridrun hosts check`.
type Checkup struct {
	of   *wire.Survey
	port *reach.Port
}

// Survey opens a port like a job's and tells what this host is like; home is the
// directory to look at where m names none.
func Survey(m *wire.Survey, home string) (*Checkup, *wire.Facts) {
	facts := &wire.Facts{Time: time.Now().UnixNano(), OS: runtime.GOOS, Arch: runtime.GOARCH, Usable: cpuset.Processes(cpuset.Usable()), Dir: m.Dir}
	facts.Name, _ = os.Hostname()
	if allowed, err := cpuset.Allowed(); err == nil {
		facts.CPUs = allowed.String()
	}
	facts.Memory = memAvailable()
	if facts.Dir == "" {
		facts.Dir = home
	}
	var disk unix.Statfs_t
	if unix.Statfs(facts.Dir, &disk) == nil {
		facts.Disk = int64(disk.Bavail) * disk.Bsize
	}
	c := &Checkup{of: m}
	var err error
	if c.port, err = reach.Listen(reach.Config{Job: m.Job, Key: m.Key, Host: m.Host, Net: m.Net, Ports: m.Ports}); err != nil {
		facts.NoPort = err.Error()
		return c, facts
	}
	c.port.Serve(c)
	facts.Addrs = c.port.Addrs()
	if nets, err := net.InterfaceAddrs(); err == nil {
		for _, n := range nets {
			facts.Nets = append(facts.Nets, n.String())
		}
	}
	return c, facts
}

// Admit implements reach.Owner: a check wants the port, no process.
func (c *Checkup) Admit(int) reach.Status { return reach.Here }

// Take implements reach.Owner.
func (c *Checkup) Take(_, _ int, conn *net.TCPConn) { conn.Close() }

// Close closes the port; of a nil Checkup too.
func (c *Checkup) Close() {
	if c != nil && c.port != nil {
		c.port.Close()
	}
}

// Try connects to every address of every target, all at once.
func (c *Checkup) Try(m *wire.Try) *wire.Tried {
	result := new(wire.Tried)
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	name, _ := os.Hostname()
	dialer := reach.NewDialer(c.of.Job, c.of.Key, reach.Service(c.of.Host), name)
	var wg sync.WaitGroup
	for _, target := range m.Targets {
		for _, addr := range target.Addrs {
			result.Ways = append(result.Ways, wire.Way{Host: target.Host, Addr: addr})
		}
	}
	for i := range result.Ways {
		way := &result.Ways[i]
		wg.Go(func() {
			way.Error = dialer.Probe(ctx, reach.Target{Proc: reach.Service(way.Host), Host: way.Host}, way.Addr)
		})
	}
	wg.Wait()
	return result
}

// memAvailable is the memory that can be had without swapping, in bytes; 0: unknown.
func memAvailable() int64 {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if name, value, _ := strings.Cut(line, ":"); name == "MemAvailable" {
			for _, d := range strings.Fields(value)[0] {
				kib = kib*10 + int64(d-'0')
			}
			return kib << 10
		}
	}
	return 0
}
