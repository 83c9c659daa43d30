package place

import (
	"fmt"
	"io"
	"strings"
)

// Bounds of what a list of hosts may be, so that a slip of the finger in a
// range, or a wrong file, does not fill the memory.
const (
	MaxHosts = 1 << 16
	maxFile  = 16 << 20 // bytes
)

// ParseHosts reads a list `a:4,bob@b,node[1-3,7]:2,[fe80::1]:2`: names with
// slots. A name that occurs again adds its slots.
func ParseHosts(list string) ([]Host, error) {
	var all hosts
	for i, word := range splitList(list) {
		h, names, err := parseHost(word)
		if err == nil {
			err = all.add(h, names, fmt.Sprintf("entry %d", i+1))
		}
		if err != nil {
			return nil, fmt.Errorf("host list %q: %w", list, err)
		}
	}
	return all.list, nil
}

// splitList cuts a list at its commas; those in brackets belong to a range.
func splitList(list string) []string {
	var words []string
	start, inside := 0, false
	for i, c := range []byte(list) {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == ',' && !inside:
			words = append(words, list[start:i])
			start = i + 1
		}
	}
	return append(words, list[start:])
}

// ParseHostfile reads a hostfile, whose lines have the forms of Open MPI
// (`name slots=4 max_slots=8`) and MPICH (`name:4`), with `user@` before the name
// or the words `user=` and `port=` behind it; # starts a comment. The name may
// hold ranges, node[01-16,20], and is then many hosts, each with these slots. A
// host that occurs again adds its slots. name is for messages.
func ParseHostfile(name string, r io.Reader) ([]Host, error) {
	var all hosts
	err := eachLine(name, r, func(n int, line string) error {
		words := wordsOf(line)
		if len(words) == 0 {
			return nil
		}
		h, names, err := parseHost(words[0])
		for _, word := range words[1:] {
			if err == nil {
				err = h.set(word)
			}
		}
		if err == nil && h.MaxSlots != 0 && h.MaxSlots < h.Slots {
			err = fmt.Errorf("slots=%d is above max_slots=%d", h.Slots, h.MaxSlots)
		}
		if err != nil {
			return err
		}
		return all.add(h, names, fmt.Sprintf("line %d", n))
	})
	if err == nil && len(all.list) == 0 {
		err = fmt.Errorf("%s names no host; a line is `node1 slots=4`", name)
	}
	if err != nil {
		return nil, err
	}
	return all.list, nil
}

// eachLine calls f with each line and its number from 1, without the mark that
// some editors put first. Its errors name the line.
func eachLine(name string, r io.Reader, f func(n int, line string) error) error {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxFile {
		return fmt.Errorf("%s has more than %d bytes; is it the right file?", name, maxFile)
	}
	n := 0
	for line := range strings.SplitSeq(strings.TrimPrefix(string(text), "\ufeff"), "\n") {
		n++
		if err := f(n, line); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
	}
	return nil
}

// wordsOf are the words of a line before its comment. `slots = 4`, which Open
// MPI takes, is one word.
func wordsOf(line string) []string {
	text, _, _ := strings.Cut(line, "#")
	var words []string
	for _, word := range strings.Fields(text) {
		if last := len(words) - 1; last >= 0 && (word[0] == '=' || strings.HasSuffix(words[last], "=")) {
			words[last] += word
			continue
		}
		words = append(words, word)
	}
	return words
}

// parseHost reads the word that names a line's hosts: what they share, and their
// names.
func parseHost(word string) (Host, []string, error) {
	w, err := splitHost(word)
	h := Host{User: w.user}
	if err != nil {
		return h, nil, err
	}
	names := []string{w.name}
	if !isIPv6(w.name) {
		if names, err = expand(w.name); err != nil {
			return h, nil, err
		}
	}
	if w.tailed {
		if h.Slots, err = parseSlots(w.tail); err != nil {
			return h, nil, fmt.Errorf("%q: %w (a port is the word port=N of a hostfile)", word, err)
		}
	}
	return h, names, nil
}

// set takes a word key=value of a hostfile.
func (h *Host) set(word string) (err error) {
	key, value, _ := strings.Cut(word, "=")
	given := false
	switch key {
	case "slots":
		given = h.Slots != 0
		h.Slots, err = parseSlots(value)
	case "max_slots", "max-slots":
		given = h.MaxSlots != 0
		h.MaxSlots, err = parseSlots(value)
	case "port":
		given = h.Port != 0
		h.Port, err = parsePort(value)
	case "user":
		given = h.User != ""
		h.User, err = value, checkUser(value)
	default:
		return fmt.Errorf("%q is not understood; behind the host stand slots=N, max_slots=N, user=NAME and port=N", word)
	}
	if given {
		return fmt.Errorf("%q: the line has its %s twice", word, key)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", word, err)
	}
	return nil
}

// hosts is a list that grows; a host stands in it once.
type hosts struct {
	list  []Host
	at    map[string]int // index in list, by name
	where []string       // first mention, for messages
}

// add appends hosts like h with the given names, or adds the slots to those that
// are there. A mention without slots counts for one where others count, and one
// without a bound for as many as its slots where others have one.
func (l *hosts) add(h Host, names []string, where string) error {
	if l.at == nil {
		l.at = map[string]int{}
	}
	for _, h.Name = range names {
		i, again := l.at[h.Name]
		if !again {
			if len(l.list) == MaxHosts {
				return fmt.Errorf("more than %d hosts", MaxHosts)
			}
			l.at[h.Name] = len(l.list)
			l.list, l.where = append(l.list, h), append(l.where, where)
			continue
		}
		old := &l.list[i]
		if old.User != h.User || old.Port != h.Port {
			return fmt.Errorf("host %s is %v here and %v in %s; it needs the same user and port wherever it stands", h.Name, h, *old, l.where[i])
		}
		slots, more := max(old.Slots, 1), max(h.Slots, 1)
		if old.MaxSlots != 0 || h.MaxSlots != 0 {
			old.MaxSlots = max(old.MaxSlots, slots) + max(h.MaxSlots, more)
		}
		old.Slots = slots + more
		if max(old.Slots, old.MaxSlots) > MaxSlots {
			return fmt.Errorf("host %s has more than %d slots in all its mentions", h.Name, MaxSlots)
		}
	}
	return nil
}
