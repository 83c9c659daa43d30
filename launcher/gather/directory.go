package gather

import (
	"fmt"

	"gridrun/internal/wire"
)

// A Directory knows where the hosts' agents listen. It belongs to the event loop.
type Directory struct {
	names   []string
	found   map[int]*wire.Located
	waiting map[int][]func(wire.Message)
}

// NewDirectory is for the hosts with these names.
func NewDirectory(names []string) *Directory {
	return &Directory{names: names, found: map[int]*wire.Located{}, waiting: map[int][]func(wire.Message){}}
}

// Ask answers who asks for host, as soon as the answer is known.
func (d *Directory) Ask(host int, who func(wire.Message)) {
	switch found := d.found[host]; {
	case found != nil:
		who(found)
	case host < 0 || host >= len(d.names):
		who(&wire.Located{Host: host, Error: fmt.Sprintf("the job has no host number %d", host)})
	default:
		d.waiting[host] = append(d.waiting[host], who)
	}
}

// Ready notes where host listens.
func (d *Directory) Ready(host int, addrs []string) {
	d.note(&wire.Located{Host: host, Name: d.names[host], Addrs: addrs})
}

// Lost notes that host will not be reached. Who has its addresses finds out by
// itself.
func (d *Directory) Lost(host int, why string) {
	d.note(&wire.Located{Host: host, Name: d.names[host], Error: fmt.Sprintf("host %s is lost: %s", d.names[host], why)})
}

func (d *Directory) note(m *wire.Located) {
	d.found[m.Host] = m
	for _, who := range d.waiting[m.Host] {
		who(m)
	}
	delete(d.waiting, m.Host)
}
