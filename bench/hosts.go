package bench

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gridrun/launcher/place"
)

// Hosts are where a task runs; the zero value is this machine.
type Hosts struct {
	list  []place.Host
	Flags []string // gridrun's
}

// HostsFromList takes what gridrun's -H takes.
func HostsFromList(list string) (Hosts, error) {
	hosts, err := place.ParseHosts(list)
	if err != nil {
		return Hosts{}, err
	}
	return Hosts{hosts, []string{"--host", list}}, check(hosts)
}

// HostsFromFile takes gridrun's hostfile, which r reads.
func HostsFromFile(path string, r io.Reader) (Hosts, error) {
	hosts, err := place.ParseHostfile(path, r)
	if err != nil {
		return Hosts{}, err
	}
	return Hosts{hosts, []string{"--hostfile", path}}, check(hosts)
}

// Len is the number of hosts, 0 for this machine.
func (h Hosts) Len() int { return len(h.list) }

// check refuses what the launchers would not all understand alike.
func check(hosts []place.Host) error {
	for _, h := range hosts {
		switch {
		case h.Slots == 0:
			return fmt.Errorf("host %s: say how many slots it has; each launcher would guess another number", h)
		case h.User != "" || h.Port != 0:
			return fmt.Errorf("host %s: write its user and port into ~/.ssh/config; not all launchers take them from a hostfile", h)
		}
	}
	return nil
}

// At returns the flags for the peer's launcher to start ranks on the hosts, whose
// hostfile it writes into dir.
func (p Peer) At(dir string, h Hosts) ([]string, error) {
	text, err := p.hostfile(h)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, p.word()+"-hosts")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return p.hosts(path), nil
}

// openMPI is the hostfile in Open MPI's form, a line `name slots=N`.
func (h Hosts) openMPI() (string, error) {
	return h.format("%s slots=%d\n"), nil
}

// mpich is the hostfile in MPICH's form, a line `name:N`; it cuts IPv6 addresses
// at their first colon.
func (h Hosts) mpich() (string, error) {
	for _, host := range h.list {
		if strings.Contains(host.Name, ":") {
			return "", errors.New("no IPv6 addresses in its hostfile; give " + host.Name + " a name")
		}
	}
	return h.format("%s:%d\n"), nil
}

func (h Hosts) format(line string) string {
	var b strings.Builder
	for _, host := range h.list {
		fmt.Fprintf(&b, line, host.Name, host.Slots)
	}
	return b.String()
}
