package launcher

import (
	"fmt"

	"gridrun/internal/wire"
)

// A directory knows where the hosts' agents listen. It belongs to the event loop.
type directory struct {
	names   []string
	found   map[int]*wire.Located
	waiting map[int][]*link
}

func newDirectory(names []string) *directory {
	return &directory{names: names, found: map[int]*wire.Located{}, waiting: map[int][]*link{}}
}

// ask answers who asks for host, as soon as the answer is known.
func (d *directory) ask(host int, who *link) {
	switch found := d.found[host]; {
	case found != nil:
		who.send(found)
	case host < 0 || host >= len(d.names):
		who.send(&wire.Located{Host: host, Error: fmt.Sprintf("the job has no host number %d", host)})
	default:
		d.waiting[host] = append(d.waiting[host], who)
	}
}

// ready notes where host listens.
func (d *directory) ready(host int, addrs []string) {
	d.note(&wire.Located{Host: host, Name: d.names[host], Addrs: addrs})
}

// lost notes that host will not be reached. Who has its addresses finds out by
// itself.
func (d *directory) lost(host int, why string) {
	d.note(&wire.Located{Host: host, Name: d.names[host], Error: fmt.Sprintf("host %s is lost: %s", d.names[host], why)})
}

func (d *directory) note(m *wire.Located) {
	d.found[m.Host] = m
	for _, who := range d.waiting[m.Host] {
		who.send(m)
	}
	delete(d.waiting, m.Host)
}
