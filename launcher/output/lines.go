package output

import "bytes"

// MaxLine is the longest line, in bytes, that is kept whole; a longer one comes
// out in pieces, between which lines of others may appear.
const MaxLine = 64 << 10

// Lines assembles one stream of one process into whole lines.
type Lines struct {
	// Tag goes before each line; "" changes no byte.
	Tag string
	// Raw passes everything on as it comes: for a stream that shares its output
	// with no other.
	Raw bool

	partial []byte
}

// Feed takes a piece and returns what can be written now. kept is how many of
// the piece's bytes stay behind, in the unfinished line. data belongs to Lines.
func (l *Lines) Feed(data []byte) (out []byte, kept int) {
	if l.Raw {
		return data, 0
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	whole, rest := data[:end], data[end:]
	if end > 0 && len(l.partial) > 0 {
		whole = append(l.partial, whole...)
		l.partial = nil
	}
	out = l.tagged(whole)
	if len(rest) == 0 {
		return out, 0
	}
	if len(l.partial)+len(rest) <= MaxLine {
		l.partial = append(l.partial, rest...)
		return out, len(rest)
	}
	piece := append(l.partial, rest...)
	l.partial = nil
	return append(out, l.tagged(piece)...), 0
}

// End returns the unfinished last line: exactly its bytes without a tag, a
// whole line with one.
func (l *Lines) End() []byte {
	out := l.tagged(l.partial)
	l.partial = nil
	return out
}

// tagged puts the tag before each line of text and completes the last one.
func (l *Lines) tagged(text []byte) []byte {
	if l.Tag == "" || len(text) == 0 {
		return text
	}
	out := make([]byte, 0, len(text)+(bytes.Count(text, []byte{'\n'})+1)*(len(l.Tag)+1))
	for line := range bytes.Lines(text) {
		out = append(out, l.Tag...)
		out = append(out, line...)
	}
	if out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	return out
}
