package netcdf

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"gridrun/lram/format/array"
	"gridrun/lram/store"
)

// layout is where the variables lie: what a header means in bytes.
type layout struct {
	numrecs int64
	recsize int64   // bytes from a record to the next
	vsize   []int64 // bytes of each variable, for record variables of one record, without padding
}

// isRecord says whether the variable grows with the records.
func (h *header) isRecord(v variable) bool { return len(v.dims) > 0 && h.dims[v.dims[0]].len == 0 }

// arrange computes the layout. The stored vsize is ignored, as the specification asks: it is redundant and too narrow for large variables.
func (h *header) arrange(fileSize int64) (layout, error) {
	l := layout{numrecs: h.numrecs, vsize: make([]int64, len(h.vars))}
	records, first := 0, int64(math.MaxInt64)
	var padded int64
	for i, v := range h.vars {
		dims := v.dims
		if h.isRecord(v) {
			dims = dims[1:]
		}
		size := int64(v.dtype.Size())
		for _, d := range dims {
			n := h.dims[d].len // > 0: only the record dimension has none
			if size > (math.MaxInt64-3)/n {
				return l, fmt.Errorf("variable %s is larger than 2^63 bytes", v.name)
			}
			size *= n
		}
		l.vsize[i] = size
		if h.isRecord(v) {
			records++
			first = min(first, v.begin)
			l.recsize = size
			if padded > math.MaxInt64-3-pad4(size) {
				return l, fmt.Errorf("a record is larger than 2^63 bytes")
			}
			padded += pad4(size)
		}
	}
	if records > 1 {
		l.recsize = padded
	}
	if l.numrecs < 0 {
		// A streaming writer never came back to fill the number in: take the records that are there whole.
		l.numrecs = 0
		if records > 0 && fileSize > first {
			l.numrecs = (fileSize - first) / l.recsize
		}
	}
	return l, nil
}

// check refuses a file that does not hold what its header promises.
func (h *header) check(l layout, fileSize int64) error {
	for i, v := range h.vars {
		if h.isRecord(v) {
			if l.numrecs == 0 {
				continue
			}
			// there: records of which this variable's part is whole
			var there int64
			if v.begin <= fileSize && l.vsize[i] <= fileSize-v.begin { // their sum may not fit an int64
				there = (fileSize-v.begin-l.vsize[i])/l.recsize + 1
			}
			if there < l.numrecs {
				return fmt.Errorf("truncated: variable %s has %d records of %d bytes from byte %d on, %d bytes apart; the file ends at byte %d and holds %d of them",
					v.name, l.numrecs, l.vsize[i], v.begin, l.recsize, fileSize, there)
			}
			continue
		}
		if v.begin > fileSize || l.vsize[i] > fileSize-v.begin {
			return fmt.Errorf("truncated: variable %s has %d bytes from byte %d on; the file ends at byte %d and holds %d of them",
				v.name, l.vsize[i], v.begin, fileSize, max(0, fileSize-v.begin))
		}
	}
	return nil
}

// Open reads the header of a NetCDF classic file; name is for messages. The returned File owns f; if Open fails, the caller still does.
func Open(ctx context.Context, name string, f store.File) (*array.File, error) {
	h, err := readHeader(ctx, f, f.Size())
	var l layout
	if err == nil {
		l, err = h.arrange(f.Size())
	}
	if err == nil {
		err = h.check(l, f.Size())
	}
	if err != nil {
		return nil, fmt.Errorf("%s: NetCDF classic: %w", name, err)
	}
	file := &array.File{Name: name, Format: "netcdf", Attrs: h.attrs, Stores: []store.File{f}}
	records := 0
	for _, v := range h.vars {
		if h.isRecord(v) {
			records++
		}
	}
	for _, v := range h.vars {
		file.Arrays = append(file.Arrays, h.array(v, l, records > 1, f))
	}
	return file, nil
}

// array describes one variable. interleaved: its records lie between those of others.
func (h *header) array(v variable, l layout, interleaved bool, f store.File) *array.Array {
	a := &array.Array{Name: v.name, DType: v.dtype, Attrs: v.attrs, Order: binary.BigEndian, Missing: missing(v.dtype, v.attrs)}
	a.Packed, a.Scale, a.Offset = packing(v.attrs)
	a.Dims, a.Shape = make([]string, len(v.dims)), make([]int, len(v.dims))
	for i, d := range v.dims {
		a.Dims[i], a.Shape[i] = h.dims[d].name, int(h.dims[d].len)
	}
	s := &array.Strided{At: f, Base: v.begin, Elem: v.dtype.Size(), Order: a.Order, Shape: a.Shape}
	if h.isRecord(v) {
		a.Shape[0] = int(l.numrecs)
		if interleaved {
			s.RecordStride = l.recsize
			a.Chunk = append([]int{1}, a.Shape[1:]...)
		}
	}
	a.Reader = s
	return a
}
