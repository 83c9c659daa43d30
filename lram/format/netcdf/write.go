package netcdf

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"gridrun/lram/format/array"
)

// Content is a whole file in memory: what [Write] writes.
type Content struct {
	Dims  []Dim
	Attrs []Attr // of the file
	Vars  []Var
}

// Dim is a dimension. At most one is the record dimension (UNLIMITED); its Len is the number of records.
type Dim struct {
	Name   string
	Len    int
	Record bool
}

// Attr is an attribute. Value is a string, a number of fixed size (int16, float64, ...) or a slice of such numbers.
type Attr struct {
	Name  string
	Value any
}

// Var is a variable. Data holds all elements in row-major order, as a slice of the stored type or, for text, a string. A record dimension comes first in Dims.
type Var struct {
	Name  string
	Dims  []string
	Attrs []Attr
	Data  any
}

// Write writes c as a NetCDF classic file, front to back: as CDF-1 where that can hold it, as CDF-2 if offsets need 64 bits, as CDF-5 if a
// type (unsigned, or integer of 64 bits) or a length does. It is not atomic: a caller that replaces a file writes to another name and renames.
func Write(w io.Writer, c *Content) error {
	p, err := newPlan(c)
	if err != nil {
		return fmt.Errorf("write NetCDF: %w", err)
	}
	out := bufio.NewWriterSize(w, 1<<20)
	if err := p.write(out); err != nil {
		return fmt.Errorf("write NetCDF: %w", err)
	}
	return nil
}

// plan is a Content that has been checked and laid out.
type plan struct {
	c      *Content
	header *header
	layout layout
	data   []values // by variable
}

func newPlan(c *Content) (*plan, error) {
	p := &plan{c: c, header: &header{}}
	index := make(map[string]int)
	record := -1
	for i, d := range c.Dims {
		if err := checkName("dimension", d.Name, index, i); err != nil {
			return nil, err
		}
		n := int64(d.Len)
		switch {
		case d.Record && record >= 0:
			return nil, fmt.Errorf("dimensions %s and %s are both for records; there can be one", c.Dims[record].Name, d.Name)
		case d.Record:
			record, p.header.numrecs, n = i, int64(d.Len), 0
		case d.Len == 0:
			return nil, fmt.Errorf("dimension %s has length 0; the format has this for the record dimension only", d.Name)
		}
		if d.Len < 0 {
			return nil, fmt.Errorf("dimension %s has the negative length %d", d.Name, d.Len)
		}
		p.header.dims = append(p.header.dims, dim{d.Name, n})
	}
	if err := checkAttrs("the file", c.Attrs); err != nil {
		return nil, err
	}
	names := make(map[string]int)
	for i, v := range c.Vars {
		if err := checkName("variable", v.Name, names, i); err != nil {
			return nil, err
		}
		dtype, data, err := valuesOf(v.Data)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", v.Name, err)
		}
		if err := checkAttrs("variable "+v.Name, v.Attrs); err != nil {
			return nil, err
		}
		hv := variable{name: v.Name, dtype: dtype}
		for k, name := range v.Dims {
			d, ok := index[name]
			if !ok {
				return nil, fmt.Errorf("variable %s: there is no dimension %s", v.Name, name)
			}
			if d == record && k > 0 {
				return nil, fmt.Errorf("variable %s: the record dimension %s must be the first", v.Name, name)
			}
			hv.dims = append(hv.dims, d)
		}
		p.header.vars = append(p.header.vars, hv)
		p.data = append(p.data, data)
	}
	var err error
	if p.layout, err = p.header.arrange(0); err != nil {
		return nil, err
	}
	for i, v := range p.header.vars {
		want := p.layout.vsize[i] / int64(v.dtype.Size())
		if p.header.isRecord(v) {
			if want > math.MaxInt64/max(1, p.header.numrecs) {
				return nil, fmt.Errorf("variable %s: %d records of %d elements are more than memory can be", v.name, p.header.numrecs, want)
			}
			want *= p.header.numrecs
		}
		if got := int64(p.data[i].len()); got != want {
			return nil, fmt.Errorf("variable %s: %d elements of data, its dimensions make %d", v.name, got, want)
		}
	}
	return p, p.place()
}

// place chooses the version of the format and sets the variables' offsets: the first version that can hold them.
func (p *plan) place() error {
	for _, p.header.version = range []byte{1, 2, 5} {
		if p.tryPlace() {
			return nil
		}
	}
	return fmt.Errorf("the file would be larger than 2^63 bytes")
}

func (p *plan) tryPlace() bool {
	maxLen, maxSize, maxBegin := int64(math.MaxInt32), int64(math.MaxInt32-3), int64(math.MaxInt32)
	switch p.header.version {
	case 2:
		maxSize, maxBegin = math.MaxUint32-3, math.MaxInt64
	case 5:
		maxLen, maxSize, maxBegin = math.MaxInt64, math.MaxInt64-3, math.MaxInt64
	}
	if p.header.numrecs > maxLen {
		return false
	}
	for _, d := range p.header.dims {
		if d.len > maxLen {
			return false
		}
	}
	at := int64(len(p.encodeHeader()))
	// Records come behind everything else, in the same order.
	for _, records := range []bool{false, true} {
		for i := range p.header.vars {
			v := &p.header.vars[i]
			if p.header.isRecord(*v) != records {
				continue
			}
			size := p.layout.vsize[i]
			if p.header.version != 5 && typeNumber(v.dtype) > lastClassicType || size > maxSize || at > maxBegin || at > math.MaxInt64-pad4(size) {
				return false
			}
			v.begin = at
			at += pad4(size)
		}
	}
	return p.header.version == 5 || p.classicAttrs()
}

// classicAttrs says whether all attributes have types that CDF-1 and CDF-2 know.
func (p *plan) classicAttrs() bool {
	lists := [][]Attr{p.c.Attrs}
	for _, v := range p.c.Vars {
		lists = append(lists, v.Attrs)
	}
	for _, attrs := range lists {
		for _, a := range attrs {
			if t, _, err := valuesOf(a.Value); err != nil || typeNumber(t) > lastClassicType {
				return false
			}
		}
	}
	return true
}

func typeNumber(d array.DType) int {
	for i, t := range ncTypes {
		if t == d {
			return i
		}
	}
	return 0
}

// write sends header, fixed variables and records.
func (p *plan) write(out *bufio.Writer) error {
	if _, err := out.Write(p.encodeHeader()); err != nil {
		return err
	}
	for i, v := range p.header.vars {
		if !p.header.isRecord(v) {
			if err := p.writeSlab(out, i, 0, true); err != nil {
				return err
			}
		}
	}
	records := 0
	for _, v := range p.header.vars {
		if p.header.isRecord(v) {
			records++
		}
	}
	if records > 0 {
		for r := range p.header.numrecs {
			for i, v := range p.header.vars {
				if !p.header.isRecord(v) {
					continue
				}
				if err := p.writeSlab(out, i, int(r), records > 1); err != nil {
					return err
				}
			}
		}
	}
	return out.Flush()
}

// pieceElems is how many elements are encoded at once.
const pieceElems = 16 << 10

// writeSlab writes one record of variable i, or all of a fixed variable, and its padding.
func (p *plan) writeSlab(out *bufio.Writer, i, record int, padded bool) error {
	v := p.header.vars[i]
	bytes := p.layout.vsize[i]
	n := int(bytes) / v.dtype.Size()
	var buf []byte
	for from, end := record*n, (record+1)*n; from < end; {
		to := min(end, from+pieceElems)
		buf = p.data[i].encode(buf[:0], from, to)
		if _, err := out.Write(buf); err != nil {
			return err
		}
		from = to
	}
	if !padded {
		return nil
	}
	fill := fillOf(v.dtype, p.c.Vars[i].Attrs)
	for at := bytes; at < pad4(bytes); at += int64(len(fill)) {
		if _, err := out.Write(fill); err != nil {
			return err
		}
	}
	return nil
}

func checkName(what, name string, seen map[string]int, i int) error {
	_, twice := seen[name]
	switch {
	case name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || strings.Contains(name, "/") || strings.TrimSpace(name) != name:
		return fmt.Errorf("%q is not a name for a %s: it must be text without control characters, slashes and spaces at its ends", name, what)
	case twice:
		return fmt.Errorf("two of the name %s %s", what, name)
	}
	seen[name] = i
	return nil
}

func checkAttrs(owner string, attrs []Attr) error {
	seen := make(map[string]int)
	for i, a := range attrs {
		if err := checkName("attribute", a.Name, seen, i); err != nil {
			return fmt.Errorf("%s: %w", owner, err)
		}
		if _, _, err := valuesOf(a.Value); err != nil {
			return fmt.Errorf("%s: attribute %s: %w", owner, a.Name, err)
		}
	}
	return nil
}
