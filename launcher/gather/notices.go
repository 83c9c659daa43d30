package gather

import (
	"slices"

	"gridrun/launcher/place"
)

// Notices gathers what hosts say of themselves, so that hosts which say the same
// share a line. It belongs to the event loop.
type Notices struct {
	Names []string // of the hosts
	texts []string // in the order they came
	hosts [][]int  // who said each
}

// Add takes what a host says.
func (n *Notices) Add(host int, text string) {
	i := slices.Index(n.texts, text)
	if i < 0 {
		i = len(n.texts)
		n.texts, n.hosts = append(n.texts, text), append(n.hosts, nil)
	}
	n.hosts[i] = append(n.hosts[i], host)
}

// Tell says and forgets what was gathered.
func (n *Notices) Tell(say func(string)) {
	for i, text := range n.texts {
		slices.Sort(n.hosts[i])
		var names []string
		for _, h := range n.hosts[i] {
			names = append(names, n.Names[h])
		}
		say(place.FoldHosts(names) + ": " + text)
	}
	n.texts, n.hosts = nil, nil
}
