package check

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
)

// fakes are agents in this process. From each host, addresses that bad names lead nowhere.
type fakes struct{ bad map[string]string }

func (f fakes) Start(_ context.Context, h place.Host) (agents.Agent, error) {
	if strings.HasPrefix(h.Name, "down") {
		return nil, errors.New(h.Name + ": connecting (10.0.0.9:22): connection refused; try: ssh " + h.Name + " true")
	}
	fromHost, toUs, err1 := os.Pipe()
	fromUs, toHost, err2 := os.Pipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	go func() {
		defer toUs.Close()
		defer fromUs.Close()
		s, err := wire.NewStream(fromUs, toUs)
		if err != nil || s.Open() != nil || s.Send(&wire.Hello{CPUs: 1}) != nil {
			return
		}
		for {
			m, err := s.Receive()
			if err != nil {
				return
			}
			switch m := m.(type) {
			case *wire.Survey:
				ip := "10.1.0." + h.Name[len(h.Name)-1:]
				f := &wire.Facts{OS: "linux", Arch: "amd64", CPUs: "0-3", Usable: 2, Memory: 2e9, Disk: 20e9,
					Addrs: []string{ip + ":99", "172.17.0.1:99"}, Nets: []string{ip + "/24", "172.17.0.1/16"}}
				if h.Name == "closed7" {
					f = &wire.Facts{NoPort: "no port is free"}
				}
				s.Send(f)
			case *wire.Try:
				t := new(wire.Tried)
				for _, target := range m.Targets {
					for _, addr := range target.Addrs {
						why := f.bad[addr]
						if why == "" {
							why = f.bad[h.Name+" "+addr]
						}
						t.Ways = append(t.Ways, wire.Way{Host: target.Host, Addr: addr, Error: why})
					}
				}
				s.Send(t)
			}
		}
	}()
	return &fake{fromHost, toHost, func() { toHost.Close() }}, nil
}

type fake struct {
	io.Reader
	io.Writer
	kill func()
}

func (f *fake) Kill()       { f.kill() }
func (f *fake) Wait() error { return f.Reader.(io.Closer).Close() }

func TestCheck(t *testing.T) {
	bridge := map[string]string{"172.17.0.1:99": "another host answers there"}
	for _, c := range []struct {
		name  string
		hosts []string
		bad   map[string]string
		ok    bool
		want  []string // lines, behind the table
	}{
		{"one", []string{"node1"}, nil, true, nil},
		{"all well", []string{"node1", "node2", "node3"}, bridge, true, []string{
			"all 3 hosts reach each other over 10.1.0.0/24",
			"node[1-3]: address 172.17.0.1 leads nowhere: another host answers there; another one works"}},
		{"hosts that are down", []string{"node1", "down1", "node2", "down2"}, bridge, false, []string{
			"down[1-2]: connecting: connection refused; try: ssh down1 true",
			"all 2 hosts reach each other over 10.1.0.0/24",
			"node[1-2]: address 172.17.0.1 leads nowhere: another host answers there; another one works"}},
		{"a wall", []string{"node1", "node2", "node3"}, map[string]string{"172.17.0.1:99": "another host answers there", "node1 10.1.0.2:99": "no answer", "node1 10.1.0.3:99": "no answer"}, false, []string{
			"node1 does not reach node[2-3]: tried 10.1.0.2:99: no answer, 172.17.0.1:99: another host answers there",
			"node[1-3]: address 172.17.0.1 leads nowhere: another host answers there; another one works"}},
		{"no port", []string{"node1", "closed7"}, nil, false, []string{"closed7: no port is free"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var hosts []place.Host
			for _, h := range c.hosts {
				hosts = append(hosts, place.Host{Name: h})
			}
			r := Run(t.Context(), fakes{c.bad}, hosts, Options{})
			var out bytes.Buffer
			r.Print(&out)
			lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if got := lines[1+len(hosts):]; strings.Join(got, "\n") != strings.Join(c.want, "\n") || r.OK() != c.ok {
				t.Errorf("ok %v:\n%s\nwant %v and\n%s", r.OK(), &out, c.ok, strings.Join(c.want, "\n"))
			}
			if c.name == "all well" && !strings.Contains(lines[1], "linux/amd64  4, quota 2  2.0 GB       20 GB") {
				t.Errorf("row %q", lines[1])
			}
		})
	}
}
