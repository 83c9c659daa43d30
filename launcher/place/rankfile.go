package place

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"gridrun/internal/cpuset"
	"gridrun/launcher/rankset"
)

// A Rankfile gives every rank its host.
type Rankfile struct {
	// Hosts are those of the file in the order of their first mention, each with
	// as many slots as the file gives it ranks.
	Hosts []Host
	// CPUs are those of its host that each rank asks for with slot=; nil: none.
	CPUs []cpuset.Set
	// RanksPerProcess is what `4 a process` in the lines of --dry-run says; 0:
	// nothing.
	RanksPerProcess int
	// Notice, when not "", says which slot= words are ignored.
	Notice string

	name  string
	host  []int // of each rank, in Hosts
	first []int // line that names each host first
}

// ParseRankfile reads where each rank runs, a line for one or several ranks:
//
//	rank 3=node2 slot=1             Open MPI's form
//	ranks 4-7,9=bob@node3:2222      several ranks; behind the colon is a port
//	node1: ranks 0-2: windshear     a line of --dry-run; the program is not read
//
// Every rank from 0 to the largest must stand in it once. slot=1 and
// slot=0-3,8 bind to these CPUs of the host; other forms (sockets and cores) do
// not bind, and the Notice names them. # starts a comment. name is for messages.
func ParseRankfile(name string, r io.Reader) (*Rankfile, error) {
	p := rankParser{
		file:  &Rankfile{name: name},
		at:    map[string]int{},
		lines: map[int]int{},
	}
	if err := eachLine(name, r, p.line); err != nil {
		return nil, err
	}
	f := p.file
	var missing []int
	for r, h := range f.host {
		if h < 0 {
			missing = append(missing, r)
		}
	}
	switch {
	case len(f.host) == 0:
		return nil, fmt.Errorf("%s places no rank; a line is `rank 0=node1`", name)
	case len(missing) > 0:
		return nil, fmt.Errorf("%s gives no host to %s; it must place each rank from 0 to %d", name, rankset.Label(missing), len(f.host)-1)
	}
	if len(p.unbound) > 0 {
		f.Notice = fmt.Sprintf("%s: %s (%s) is no list of CPUs like 0-3,8 and is ignored", name, p.unboundWord, rankset.Label(p.unbound))
	}
	return f, nil
}

// rankParser is the state between lines.
type rankParser struct {
	file  *Rankfile
	at    map[string]int // index of a host in file.Hosts
	lines map[int]int    // line of each rank

	unbound     []int // ranks whose slot= is ignored
	unboundWord string
}

// assignment is what a line says.
type assignment struct {
	ranks, host string
	slot        string // "": not said
	per         int    // ranks of a process; 0: not said
}

func (p *rankParser) line(n int, line string) error {
	a, err := readAssignment(line)
	if err != nil || a == nil {
		return err
	}
	ranks, err := rankset.Expand(a.ranks)
	if err != nil {
		return err
	}
	if len(ranks) == 0 {
		return fmt.Errorf("the line names no rank; it is `rank 3=node2`")
	}
	f := p.file
	h, err := p.host(a.host, n)
	if err != nil {
		return err
	}
	var cpus cpuset.Set
	if a.slot != "" {
		if cpus, err = cpuset.Parse(a.slot); err != nil {
			p.unbound = append(p.unbound, ranks...)
			if p.unboundWord == "" {
				p.unboundWord = "slot=" + a.slot
			}
		}
	}
	for _, r := range ranks {
		if first, again := p.lines[r]; again {
			return fmt.Errorf("rank %d is placed in line %d already", r, first)
		}
		p.lines[r] = n
		for len(f.host) <= r {
			f.host, f.CPUs = append(f.host, -1), append(f.CPUs, nil)
		}
		f.host[r], f.CPUs[r] = h, cpus
	}
	if f.Hosts[h].Slots += len(ranks); f.Hosts[h].Slots > MaxSlots {
		return fmt.Errorf("host %s has %d ranks with this line; %d is the most that a host has", f.Hosts[h], f.Hosts[h].Slots, MaxSlots)
	}
	f.RanksPerProcess = max(f.RanksPerProcess, a.per)
	return nil
}

// readAssignment reads a line in either form; nil: it says nothing.
func readAssignment(line string) (*assignment, error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil, nil
	}
	if host, rest, ok := strings.Cut(line, ": rank"); ok && !strings.ContainsAny(host, " \t=#") {
		return readPlanLine(host, rest)
	}
	words := wordsOf(line)
	if words[0] != "rank" && words[0] != "ranks" {
		return nil, fmt.Errorf("%q is not understood; a line is `rank 3=node2 slot=1`, or one that --dry-run prints", words[0])
	}
	if len(words) < 2 {
		return nil, fmt.Errorf("%q is all of the line; it is `rank 3=node2`", words[0])
	}
	var a assignment
	var ok bool
	if a.ranks, a.host, ok = strings.Cut(words[1], "="); !ok {
		return nil, fmt.Errorf("%q is no rank and host; write it as in 3=node2", words[1])
	}
	for _, word := range words[2:] {
		slot, ok := strings.CutPrefix(word, "slot=")
		switch {
		case !ok || slot == "":
			return nil, fmt.Errorf("%q is not understood; behind the host stands slot=N", word)
		case a.slot != "":
			return nil, fmt.Errorf("%q: the line has its slot twice", word)
		}
		a.slot = slot
	}
	return &a, nil
}

// readPlanLine reads what is behind `node1: rank` in a line of [Plan.Text]:
// `s 0-46, 4 a process, CPUs 0-3: windshear`.
func readPlanLine(host, rest string) (*assignment, error) {
	text, _, _ := strings.Cut(strings.TrimPrefix(rest, "s"), ":")
	words := strings.Split(strings.TrimSpace(text), ", ")
	a := &assignment{ranks: words[0], host: host}
	for _, word := range words[1:] {
		if cpus, ok := strings.CutPrefix(word, "CPUs "); ok {
			a.slot = cpus
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSuffix(word, " a process"), 10, 31)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is not understood; behind the ranks stands `4 a process`, `CPUs 0-3` or a colon", word)
		}
		a.per = int(n)
	}
	return a, nil
}

// host is the index of the host that a word names.
func (p *rankParser) host(word string, line int) (int, error) {
	w, err := splitHost(word)
	if err != nil {
		return 0, err
	}
	h := Host{Name: w.name, User: w.user}
	if !isIPv6(h.Name) {
		names, err := expand(h.Name)
		if err != nil {
			return 0, err
		}
		if len(names) > 1 {
			return 0, fmt.Errorf("%q is %d hosts; a line of a rankfile has one", word, len(names))
		}
		h.Name = names[0]
	}
	if w.tailed {
		if h.Port, err = parsePort(w.tail); err != nil {
			return 0, fmt.Errorf("%q: %w", word, err)
		}
	}
	f := p.file
	i, ok := p.at[h.Name]
	if !ok {
		i = len(f.Hosts)
		p.at[h.Name] = i
		f.Hosts, f.first = append(f.Hosts, h), append(f.first, line)
	}
	if old := f.Hosts[i]; old.User != h.User || old.Port != h.Port {
		return 0, fmt.Errorf("host %s is %v here and %v in line %d; it needs the same user and port wherever it stands", h.Name, h, old, f.first[i])
	}
	return i, nil
}
