// Package profile merges the CPU profiles of a job's processes into one, whose
// samples carry the labels rank and host: `go tool pprof -tagfocus rank=3` and
// `-tags` tell ranks apart.
//
// A profile is a protocol buffer (profile.proto of github.com/google/pprof,
// compressed). Strings, functions, locations and mappings in it have numbers, and
// that is all that merging must change: numbers of strings become those of one
// common table, other numbers are moved past those of the profiles before, and
// samples get labels. pprof itself adds up what has the same name. (Its own
// package profile does more, but compiles its regular expressions when a process
// starts, and every rank of a built-in job is a process of this program.)
package profile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// ErrProfile is bytes that are no profile.
var ErrProfile = errors.New("not a profile")

// A Merger collects profiles. The zero value is empty.
type Merger struct {
	strings map[string]uint64
	table   []string
	body    []byte // samples, mappings, locations, functions
	types   []byte // sample types, period and the like: those of the first profile
	next    ids    // the first free numbers
	count   int
}

// ids are numbers of mappings, locations and functions.
type ids struct{ mapping, location, function uint64 }

// maxProfile bounds a profile's uncompressed bytes.
const maxProfile = 1 << 30

// Add takes the profile that a process of a host has left. Samples of
// goroutines that no rank has started carry the process's first rank.
func (m *Merger) Add(data []byte, host string, ranks []int) error {
	if err := m.add(data, host, ranks[0]); err != nil {
		return fmt.Errorf("the profile of rank %d: %w", ranks[0], err)
	}
	return nil
}

func (m *Merger) add(data []byte, host string, rank int) error {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: %v", ErrProfile, err)
	}
	b, err := io.ReadAll(io.LimitReader(z, maxProfile))
	if err != nil {
		return fmt.Errorf("%w: %v", ErrProfile, err)
	}
	if m.strings == nil {
		m.strings, m.table = map[string]uint64{"": 0}, []string{""}
	}
	p := part{merger: m, base: m.next, most: m.next}
	// Strings come last in what Go writes, so they are looked up first.
	if err := each(b, func(f field) error {
		if f.number == profileString {
			p.own = append(p.own, string(f.data))
		}
		return nil
	}); err != nil {
		return err
	}
	if len(p.own) == 0 || p.own[0] != "" {
		return fmt.Errorf("%w: no table of strings", ErrProfile)
	}
	p.labels = append(p.label("rank", strconv.Itoa(rank)), p.label("host", host)...)
	p.host = p.label("host", host)
	var types []byte
	if err := each(b, func(f field) (err error) {
		switch f.number {
		case profileString:
		case profileSample, profileMapping, profileLocation, profileFunction:
			p.body, err = p.rewrite(p.body, f, profileSchema[f.number])
		default:
			types, err = p.rewrite(types, f, profileSchema[f.number])
		}
		return err
	}); err != nil {
		return err
	}
	if m.count == 0 {
		m.types = types
	}
	m.body = append(m.body, p.body...)
	m.next = p.most
	m.count++
	return nil
}

// Write writes the merged profile, compressed as pprof reads it.
func (m *Merger) Write(w io.Writer) error {
	z := gzip.NewWriter(w)
	out := m.types
	for _, s := range m.table {
		out = appendBytes(out, profileString, []byte(s))
	}
	if len(m.table) == 0 {
		out = appendBytes(out, profileString, nil)
	}
	_, err := z.Write(out)
	if err == nil {
		_, err = z.Write(m.body)
	}
	if end := z.Close(); err == nil { // it says the same again
		err = end
	}
	return err
}

// intern is the number of a string in the common table.
func (m *Merger) intern(s string) uint64 {
	n, ok := m.strings[s]
	if !ok {
		n = uint64(len(m.table))
		m.table = append(m.table, s)
		m.strings[s] = n
	}
	return n
}
