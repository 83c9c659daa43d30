package timeline

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"gridrun/internal/engine"
	"gridrun/internal/trace"
	"gridrun/internal/wire"
)

// A Writer writes a timeline as ranks come in. The file appears under its name
// when it is whole, at Close, so that a reader never finds half of one.
type Writer struct {
	path  string
	file  *os.File
	out   *bufio.Writer
	whole bool // path is a regular file: written beside it, then renamed
	begin int64
	first bool
	hosts map[int]bool
	count int
}

// Create begins a timeline in path whose time 0 is begin.
func Create(path string, begin int64) (*Writer, error) {
	w := &Writer{path: path, begin: begin, first: true, hosts: map[int]bool{}}
	st, err := os.Stat(path)
	switch w.whole = err != nil || st.Mode().IsRegular(); {
	case err == nil && st.IsDir():
		return nil, &fs.PathError{Op: "create", Path: path, Err: errors.New("it is a directory")}
	case w.whole:
		// Not CreateTemp, whose files are the user's alone: the umask says who reads it.
		beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+rand.Text()[:8])
		w.file, err = os.OpenFile(beside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		var at *fs.PathError
		if errors.As(err, &at) { // the name that the user has given says more
			err = &fs.PathError{Op: "create", Path: path, Err: at.Err}
		}
	default: // a pipe or a device
		w.file, err = os.OpenFile(path, os.O_WRONLY, 0)
	}
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewWriterSize(w.file, 256<<10)
	w.out.WriteString(`{"displayTimeUnit":"ns","traceEvents":[`)
	return w, nil
}

// A Rank is what is known of one rank.
type Rank struct {
	Rank, Host   int
	HostName     string
	Clock        Line
	Began, Ended int64       // its process, by the host's clock; 0: it did not start
	Exit         wire.Exit   // of the process
	Dump         *trace.Dump // nil: it has recorded nothing
	Waits        []wire.Wait // what it was blocked in when it died
}

// mark is a span with what is shown of it.
type mark struct {
	span
	name, category string
	args           map[string]any
	arrow          string // "s": one begins here, "f": one ends here
	id             string // of the arrow
}

// Rank adds a rank.
func (w *Writer) Rank(r Rank) error {
	if r.Began == 0 && r.Dump == nil {
		return nil
	}
	pid := r.Host + 1
	if !w.hosts[r.Host] {
		w.hosts[r.Host] = true
		w.meta("process_name", pid, 0, map[string]any{"name": r.HostName})
		w.meta("process_sort_index", pid, 0, map[string]any{"sort_index": r.Host})
	}
	marks := r.marks()
	lanes := layOut(marks, func(m *mark) *span { return &m.span })
	for lane := range lanes {
		name := fmt.Sprintf("rank %d", r.Rank)
		if lane > 0 {
			name += fmt.Sprintf(" (%d)", lane+1)
		}
		w.meta("thread_name", pid, thread(r.Rank, lane), map[string]any{"name": name})
		w.meta("thread_sort_index", pid, thread(r.Rank, lane), map[string]any{"sort_index": r.Rank*maxLanes + lane})
	}
	for _, m := range marks {
		w.mark(m, pid, thread(r.Rank, m.lane), r.Clock)
	}
	_, err := w.out.Write(nil) // a bufio.Writer keeps its first error
	return err
}

// Count is how many spans have been written.
func (w *Writer) Count() int { return w.count }

// thread numbers the threads of a picture; 0 has a meaning of its own in Perfetto.
func thread(rank, lane int) int { return 1 + rank*maxLanes + lane }

// marks are the spans of a rank, by its host's clock.
func (r *Rank) marks() (marks []mark) {
	if r.Began > 0 {
		args := map[string]any{"exit code": r.Exit.Code, "CPU ms": float64(r.Exit.CPU) / 1e6, "peak MB": float64(r.Exit.RSS) / 1e6}
		if r.Exit.Signal != 0 {
			args["signal"] = r.Exit.Signal
		}
		if r.Dump != nil && r.Dump.Dropped > 0 {
			args["older events dropped"] = r.Dump.Dropped
		}
		marks = append(marks, mark{span: span{r.Began, max(r.Began, r.Ended), 0}, name: "process", category: "process", args: args})
	}
	for _, b := range r.Waits {
		if b.Rank != r.Rank || r.Ended == 0 {
			continue
		}
		args := map[string]any{"operation": b.Op, "unfinished": true}
		put(args, "for rank", b.Peer)
		put(args, "tag", int(b.Tag))
		marks = append(marks, mark{span: span{max(r.Began, r.Ended-max(b.Since, 0)), r.Ended, 0}, name: b.Op + ": never returned", category: "blocked", args: args})
	}
	if r.Dump == nil {
		return marks
	}
	for _, e := range r.Dump.Events {
		marks = append(marks, markOf(r.Rank, r.Dump, e))
	}
	return marks
}

// put sets what is there: -1 means none.
func put(args map[string]any, name string, v int) {
	if v >= 0 {
		args[name] = v
	}
}

func markOf(rank int, d *trace.Dump, e trace.Event) mark {
	op := engine.Op(e.Op).String()
	m := mark{span: span{e.Begin, e.Begin + e.Dur, 0}, name: op, args: map[string]any{}}
	group := fmt.Sprintf("%#x", e.Group)
	switch e.Kind {
	case trace.Out, trace.In:
		m.category = "message"
		who, from := "to", rank
		m.arrow = "s"
		if e.Kind == trace.In {
			who, from, m.arrow = "from", int(e.Peer), "f"
		}
		put(m.args, who, int(e.Peer))
		put(m.args, "tag", int(e.Tag))
		m.args["bytes"], m.args["group"] = e.Bytes, group
		if m.id = fmt.Sprintf("%d.%d", from, e.ID); e.ID == 0 || from < 0 {
			m.arrow = ""
		}
	case trace.Blocked:
		m.category, m.name = "blocked", "waiting"
		m.args["operation"], m.args["group"] = op, group
		put(m.args, "for rank", int(e.Peer))
		put(m.args, "tag", int(e.Tag))
	case trace.Collective:
		m.category = "collective"
		m.args["bytes"], m.args["group"], m.args["call"] = e.Bytes, group, e.Seq
		put(m.args, "root", int(e.Peer))
		if name := d.Name(e); name != "" {
			m.args["algorithm"] = name
		}
	case trace.Read:
		m.category = "read"
		m.args["array"], m.args["bytes"], m.args["blocks"], m.args["hits"] = d.Name(e), e.Bytes, e.Seq, e.ID
	case trace.Span:
		m.category, m.name = "span", d.Name(e)
		if m.name == "" {
			m.name = "span"
		}
	}
	return m
}

// An entry is one object of the format.
type entry struct {
	Name string         `json:"name"`
	Cat  string         `json:"cat,omitempty"`
	Ph   string         `json:"ph"`
	Pid  int            `json:"pid"`
	Tid  int            `json:"tid"`
	Ts   json.Number    `json:"ts,omitempty"` // microseconds
	Dur  json.Number    `json:"dur,omitempty"`
	ID   string         `json:"id,omitempty"`
	BP   string         `json:"bp,omitempty"`
	Args map[string]any `json:"args,omitempty"`
}

func (w *Writer) meta(name string, pid, tid int, args map[string]any) {
	w.put(entry{Name: name, Ph: "M", Pid: pid, Tid: tid, Args: args})
}

func (w *Writer) mark(m mark, pid, tid int, clock Line) {
	begin, end := clock.Map(m.begin)-w.begin, clock.Map(m.end)-w.begin
	w.put(entry{Name: m.name, Cat: m.category, Ph: "X", Pid: pid, Tid: tid, Ts: micros(begin), Dur: micros(end - begin), Args: m.args})
	w.count++
	if m.arrow == "" {
		return
	}
	a := entry{Name: "message", Cat: "message", Ph: m.arrow, Pid: pid, Tid: tid, Ts: micros(begin), ID: m.id}
	if m.arrow == "f" { // it ends at the end of the span around it
		a.BP, a.Ts = "e", micros(max(begin, end-1))
	}
	w.put(a)
}

func (w *Writer) put(e entry) {
	b, err := json.Marshal(e)
	if err != nil {
		return // numbers and valid strings
	}
	if !w.first {
		w.out.WriteString(",\n")
	} else {
		w.out.WriteString("\n")
	}
	w.first = false
	w.out.Write(b)
}

// micros writes nanoseconds as microseconds.
func micros(ns int64) json.Number {
	return json.Number(strconv.FormatFloat(float64(ns)/1e3, 'f', 3, 64))
}

// Close ends the file; about is what is to know of all of it.
func (w *Writer) Close(about map[string]any) error {
	b, err := json.Marshal(about)
	if err != nil {
		b = []byte("{}")
	}
	w.out.WriteString("\n],\"otherData\":")
	w.out.Write(b)
	w.out.WriteString("}\n")
	err = errors.Join(w.out.Flush(), w.file.Close())
	if !w.whole {
		return err
	}
	if err == nil {
		err = os.Rename(w.file.Name(), w.path)
	}
	if err != nil {
		os.Remove(w.file.Name())
	}
	return err
}

// Abort gives the file up.
func (w *Writer) Abort() {
	w.file.Close()
	if w.whole {
		os.Remove(w.file.Name())
	}
}
