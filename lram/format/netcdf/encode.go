package netcdf

import "encoding/binary"

// encoder builds a header; wide is CDF-5.
type encoder struct {
	buf  []byte
	wide bool
}

func (e *encoder) u32(n int64) { e.buf = binary.BigEndian.AppendUint32(e.buf, uint32(n)) }
func (e *encoder) i64(n int64) { e.buf = binary.BigEndian.AppendUint64(e.buf, uint64(n)) }

func (e *encoder) count(n int64) {
	if e.wide {
		e.i64(n)
	} else {
		e.u32(n)
	}
}

// list writes the head of a list; an empty one is all zeros.
func (e *encoder) list(tag int64, n int) {
	if n == 0 {
		tag = 0
	}
	e.u32(tag)
	e.count(int64(n))
}

func (e *encoder) pad() {
	for len(e.buf)%4 != 0 {
		e.buf = append(e.buf, 0)
	}
}

func (e *encoder) name(s string) {
	e.count(int64(len(s)))
	e.buf = append(e.buf, s...)
	e.pad()
}

func (e *encoder) attrs(attrs []Attr) {
	e.list(tagAttribute, len(attrs))
	for _, a := range attrs {
		e.name(a.Name)
		dtype, v, _ := valuesOf(a.Value) // checked by newPlan
		e.u32(int64(typeNumber(dtype)))
		e.count(int64(v.len()))
		e.buf = v.encode(e.buf, 0, v.len())
		e.pad()
	}
}

// encodeHeader gives the header's bytes; their number depends on the version, not on the offsets.
func (p *plan) encodeHeader() []byte {
	h := p.header
	e := &encoder{wide: h.version == 5}
	e.buf = append(e.buf, 'C', 'D', 'F', h.version)
	e.count(h.numrecs)
	e.list(tagDimension, len(h.dims))
	for _, d := range h.dims {
		e.name(d.name)
		e.count(d.len)
	}
	e.attrs(p.c.Attrs)
	e.list(tagVariable, len(h.vars))
	for i, v := range h.vars {
		e.name(v.name)
		e.count(int64(len(v.dims)))
		for _, d := range v.dims {
			e.count(int64(d))
		}
		e.attrs(p.c.Vars[i].Attrs)
		e.u32(int64(typeNumber(v.dtype)))
		e.count(pad4(p.layout.vsize[i]))
		if h.version == 1 {
			e.u32(v.begin)
		} else {
			e.i64(v.begin)
		}
	}
	return e.buf
}
