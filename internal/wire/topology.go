package wire

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Topology is where every rank of the job lives. Index: world rank, process, host.
//
// It goes to every host and to every rank, so its size on the wire matters: the
// whole of a job of n hosts must not be n times n names. Lists travel as runs,
// which for the usual placements and host names are few whatever n is.
type Topology struct {
	RankProc []int
	RankApp  []int
	ProcHost []int
	Hosts    []string

	packed *packedTopology // nil: not yet
}

// Packed is t with its runs made, for who sends it often.
func (t Topology) Packed() Topology {
	t.packed = &packedTopology{packInts(t.RankProc), packInts(t.RankApp), packInts(t.ProcHost), packNames(t.Hosts)}
	return t
}

// A run is Count numbers from First on, Step apart; a name run is as many names,
// each Prefix and a number of at least Width digits.
type (
	run     struct{ First, Step, Count int }
	nameRun struct {
		Prefix             string
		First, Width, Step int // Width 0: Prefix is the whole name, Count times
		Count              int
	}
	packedTopology struct {
		RankProc, RankApp, ProcHost []run
		Hosts                       []nameRun
	}
)

// maxEntries bounds each list of a Topology.
const maxEntries = 1 << 22

// EncodeMsgpack writes runs.
func (t Topology) EncodeMsgpack(e *msgpack.Encoder) error {
	if t.packed == nil {
		t = t.Packed()
	}
	return e.Encode(t.packed)
}

// DecodeMsgpack reads what EncodeMsgpack wrote.
func (t *Topology) DecodeMsgpack(d *msgpack.Decoder) (err error) {
	var p packedTopology
	if err := d.Decode(&p); err != nil {
		return err
	}
	for _, list := range []struct {
		to   *[]int
		runs []run
	}{{&t.RankProc, p.RankProc}, {&t.RankApp, p.RankApp}, {&t.ProcHost, p.ProcHost}} {
		if *list.to, err = unpackInts(list.runs); err != nil {
			return err
		}
	}
	t.Hosts, err = unpackNames(p.Hosts)
	return err
}

func packInts(list []int) (runs []run) {
	for _, v := range list {
		if n := len(runs); n > 0 {
			r := &runs[n-1]
			if r.Count == 1 {
				r.Step = v - r.First
			}
			if v == r.First+r.Step*r.Count {
				r.Count++
				continue
			}
		}
		runs = append(runs, run{v, 0, 1})
	}
	return runs
}

func unpackInts(runs []run) (list []int, err error) {
	for _, r := range runs {
		if r.Count < 1 || r.Count > maxEntries-len(list) {
			return nil, fmt.Errorf("%w: a run of %d numbers", ErrControl, r.Count)
		}
		for i := range r.Count {
			list = append(list, r.First+r.Step*i)
		}
	}
	return list, nil
}

// packNames finds names that count: node1, node2, ... and node001, node002, ...
func packNames(names []string) (runs []nameRun) {
	for _, name := range names {
		prefix, number, width := splitName(name)
		if n := len(runs); n > 0 {
			r := &runs[n-1]
			next := r.First + r.Step*r.Count
			switch {
			case prefix != r.Prefix || (width == 0) != (r.Width == 0):
			case width == 0:
				r.Count++
				continue
			case r.Count == 1 && r.name(1, number-r.First) == name:
				r.Step = number - r.First
				r.Count++
				continue
			case r.Count > 1 && number == next && r.name(r.Count, r.Step) == name:
				r.Count++
				continue
			}
		}
		runs = append(runs, nameRun{Prefix: prefix, First: number, Width: width, Count: 1})
	}
	return runs
}

// name is the i-th name of the run if its numbers are step apart.
func (r nameRun) name(i, step int) string {
	if r.Width == 0 {
		return r.Prefix
	}
	digits := strconv.Itoa(r.First + step*i)
	return r.Prefix + strings.Repeat("0", max(r.Width-len(digits), 0)) + digits
}

// maxWidth bounds the digits of a number in a name.
const maxWidth = 9

// splitName takes the number at a name's end off; width 0: there is none.
func splitName(name string) (prefix string, number, width int) {
	at := len(name)
	for at > 0 && len(name)-at < maxWidth && name[at-1] >= '0' && name[at-1] <= '9' {
		at--
	}
	if at == len(name) {
		return name, 0, 0
	}
	number, err := strconv.Atoi(name[at:])
	if err != nil {
		return name, 0, 0
	}
	return name[:at], number, len(name) - at
}

func unpackNames(runs []nameRun) (names []string, err error) {
	total := 0
	for _, r := range runs {
		if r.Count < 1 || r.Count > maxEntries-len(names) || r.Width < 0 || r.Width > maxWidth {
			return nil, fmt.Errorf("%w: a run of %d names", ErrControl, r.Count)
		}
		if total += r.Count * (len(r.Prefix) + maxWidth); total > MaxControl {
			return nil, fmt.Errorf("%w: names of %d bytes", ErrControl, total)
		}
		for i := range r.Count {
			names = append(names, r.name(i, r.Step))
		}
	}
	return names, nil
}
