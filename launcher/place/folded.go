package place

import (
	"slices"
	"strings"
)

// A Folded gathers hosts that share a reason, so that many that fail alike take
// one line. The zero value is empty.
type Folded struct {
	entries []folded
}

// folded is a reason with its hosts.
type folded struct {
	reason string
	text   string // what its first host has to say
	own    bool   // text has what is that host's alone
	names  []string
}

// Add notes that a host failed with text. Its name, its address ("" if that is
// not known) and the command to try differ from host to host, and do not count.
func (f *Folded) Add(name, address, text string) {
	f.add(name, folded{reason: Reason(name, address, text), text: text, own: true})
}

// AddReason notes a host's reason; text is shown, if the host is its first.
func (f *Folded) AddReason(name, reason, text string) {
	f.add(name, folded{reason: reason, text: text})
}

func (f *Folded) add(name string, e folded) {
	i := slices.IndexFunc(f.entries, func(o folded) bool { return o.reason == e.reason })
	if i < 0 {
		i = len(f.entries)
		f.entries = append(f.entries, e)
	}
	if same := &f.entries[i]; !slices.Contains(same.names, name) {
		same.names = append(same.names, name)
	}
}

// Lines are the reasons, in the order they came, behind the hosts. What several
// hosts share has no address, and what to try is for the first of them.
func (f *Folded) Lines() (lines []string) {
	for _, e := range f.entries {
		text := e.text
		if _, try, ok := strings.Cut(text, "; try: "); e.own && len(e.names) > 1 {
			if text = e.reason; ok {
				text += "; try: " + try
			}
		}
		lines = append(lines, FoldHosts(e.names)+": "+text)
	}
	return lines
}

// Reason is a host's failure without what is its own, so that hosts which fail
// alike can share a line: its name, its address, and the command to try.
func Reason(name, address, text string) string {
	text, _, _ = strings.Cut(text, "; try: ")
	if i, j := strings.Index(text, " ("), strings.Index(text, "): "); i >= 0 && i < j {
		text = text[:i] + text[j+1:]
	}
	for _, own := range []string{address, name} {
		if own != "" {
			text = strings.ReplaceAll(text, own, "HOST")
		}
	}
	return text
}
