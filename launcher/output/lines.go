package output

import (
	"bytes"
	"slices"
	"time"
)

// MaxLine is the longest line, in bytes, that is kept whole; a longer one comes
// out in pieces, between which lines of others may appear.
const MaxLine = 64 << 10

// Lines assembles one stream of one process into whole lines.
type Lines struct {
	// Tag goes before each line; "" changes no byte.
	Tag string
	// Clock, when not nil, is asked for the time that goes before the tag, when a
	// line is complete.
	Clock func() time.Time
	// Raw passes everything on as it comes: for a stream that shares its output
	// with no other.
	Raw bool

	partial []byte
}

// Feed takes a piece and returns what can be written now; an unfinished line
// stays behind. out may be part of data, which must not change.
func (l *Lines) Feed(data []byte) (out []byte) {
	if l.Raw {
		return data
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	whole, rest := data[:end], data[end:]
	if end > 0 && len(l.partial) > 0 {
		whole = append(l.partial, whole...)
		l.partial = nil
	}
	out = l.tagged(whole)
	if len(rest) == 0 {
		return out
	}
	if len(l.partial)+len(rest) <= MaxLine {
		l.partial = append(l.partial, rest...)
		return out
	}
	piece := append(l.partial, rest...)
	l.partial = nil
	return append(slices.Clip(out), l.tagged(piece)...)
}

// End returns the unfinished last line: exactly its bytes without tag and time,
// a whole line with one.
func (l *Lines) End() []byte {
	out := l.tagged(l.partial)
	l.partial = nil
	return out
}

// Stamp is how times are written, in local time: an hour has fixed columns.
const Stamp = "2006-01-02T15:04:05.000 "

// tagged puts time and tag before each line of text and completes the last one.
func (l *Lines) tagged(text []byte) []byte {
	if len(text) == 0 || l.Tag == "" && l.Clock == nil {
		return text
	}
	before := l.Tag
	if l.Clock != nil {
		before = l.Clock().Format(Stamp) + before
	}
	out := make([]byte, 0, len(text)+(bytes.Count(text, []byte{'\n'})+1)*(len(before)+1))
	for line := range bytes.Lines(text) {
		out = append(out, before...)
		out = append(out, line...)
	}
	if out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}
