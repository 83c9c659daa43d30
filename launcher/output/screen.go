package output

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// redraw is the least time between two drawings of the bar.
const redraw = 100 * time.Millisecond

// A Screen is a terminal that shows a progress bar below the output. Without a
// terminal (Columns 0) it draws nothing and takes no lock.
type Screen struct {
	// Terminal is where the bar is drawn: standard error.
	Terminal io.Writer
	// Columns is its width; 0: no terminal.
	Columns int

	mu    sync.Mutex // never held while writing, which may block
	label string
	ranks map[int][2]int64 // done and total of each rank
	last  time.Time

	io     sync.Mutex // held while writing
	drawn  bool       // the bar is on the last line
	midway bool       // the last line of output is not complete: no bar
}

// Progress takes rank's own count; the bar shows the sum over ranks. It says
// whether the bar should be drawn again; the writer of Terminal does that.
func (s *Screen) Progress(rank int, done, total int64, label string) (due bool) {
	if s.Columns == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ranks == nil || label != s.label {
		s.ranks, s.label = map[int][2]int64{}, label
	}
	s.ranks[rank] = [2]int64{done, total}
	now := time.Now()
	if due = now.Sub(s.last) >= redraw; due {
		s.last = now
	}
	return due
}

// Clear forgets the progress; the bar goes with the next write.
func (s *Screen) Clear() {
	s.mu.Lock()
	s.ranks = nil
	s.mu.Unlock()
}

// write puts data on w with no bar in the way. No data: only the bar is drawn.
func (s *Screen) write(w io.Writer, data []byte) error {
	if s.Columns == 0 {
		if len(data) == 0 {
			return nil
		}
		_, err := w.Write(data)
		return err
	}
	s.io.Lock()
	defer s.io.Unlock()
	text := s.text()
	if s.drawn && (len(data) > 0 || text == "") {
		io.WriteString(s.Terminal, "\r\x1b[K")
		s.drawn = false
	}
	var err error
	if len(data) > 0 {
		_, err = w.Write(data)
		s.midway = data[len(data)-1] != '\n'
	}
	if text != "" && !s.midway {
		io.WriteString(s.Terminal, "\r"+text+"\x1b[K")
		s.drawn = true
	}
	return err
}

// text is the bar, or "" when nothing is going on.
func (s *Screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var done, total int64
	for _, p := range s.ranks {
		done += p[0]
		total += p[1]
	}
	if total <= 0 || done >= total {
		return ""
	}
	return bar(s.label, done, total, s.Columns-1)
}

// bar is `label [=====>    ]  42%`, at most columns wide.
func bar(label string, done, total int64, columns int) string {
	share := min(max(float64(done)/float64(total), 0), 1)
	percent := fmt.Sprintf(" %3d%%", int(share*100))
	room := columns - len(percent)
	if room < 0 {
		return ""
	}
	width := min(room-len([]rune(label))-3, 40)
	if width < 5 {
		text := []rune(label)
		return string(text[:min(len(text), room)]) + percent
	}
	full := int(share * float64(width))
	return label + " [" + strings.Repeat("=", full) + strings.Repeat(" ", width-full) + "]" + percent
}
