package array

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gridrun/lram/store"
)

// ErrNoCoord is wrapped when a dimension has no coordinate values in the file.
var ErrNoCoord = errors.New("the file has no coordinate values for it")

// ErrNoVariable is wrapped when a file has no variable of the name that is asked for, or none that could be meant.
var ErrNoVariable = errors.New("no such variable")

// Axis is the coordinate of a dimension that a description gives as plain numbers.
type Axis struct {
	Values []float64
	Unit   string
}

// File is an opened file of arrays, whatever its format.
type File struct {
	Name   string // as opened, for messages
	Format string // "netcdf", "raw"
	Arrays []*Array
	Attrs  map[string]any
	Axes   map[string]Axis // by dimension, for formats that give coordinates inline
	Stores []store.File    // everything it is read from
}

// Array finds a variable by name; the error lists the names that exist.
func (f *File) Array(name string) (*Array, error) {
	for _, a := range f.Arrays {
		if a.Name == name {
			return a, nil
		}
	}
	return nil, noVariable("%s: no variable is called %q (there are: %s)", f.Name, name, f.list())
}

// Main is the array that is meant when nobody names one: the only one there is, or the only one of the highest rank, text and coordinate variables aside.
func (f *File) Main() (*Array, error) {
	if len(f.Arrays) == 1 {
		return f.Arrays[0], nil
	}
	var best []*Array
	for _, a := range f.Arrays {
		switch {
		case a.IsCoord() || a.DType == Char:
		case len(best) == 0 || len(a.Shape) > len(best[0].Shape):
			best = []*Array{a}
		case len(a.Shape) == len(best[0].Shape):
			best = append(best, a)
		}
	}
	switch len(best) {
	case 1:
		return best[0], nil
	case 0:
		return nil, noVariable("%s: no variable but coordinates (there are: %s)", f.Name, f.list())
	}
	return nil, noVariable("%s: which variable? name one as %s#%s (there are: %s)", f.Name, f.Name, best[0].Name, f.list())
}

// A choice is an ErrNoVariable in words that say which there are.
type choice string

func (c choice) Error() string { return string(c) }
func (c choice) Unwrap() error { return ErrNoVariable }

func noVariable(format string, args ...any) error { return choice(fmt.Sprintf(format, args...)) }

// IsCoord says whether the array is a coordinate variable: one dimension, of its own name.
func (a *Array) IsCoord() bool { return len(a.Dims) == 1 && a.Dims[0] == a.Name }

// list is the arrays as a user would write them: `u(time, lat, lon)`.
func (f *File) list() string {
	var s []string
	for _, a := range f.Arrays {
		s = append(s, fmt.Sprintf("%s(%s)", a.Name, strings.Join(a.Dims, ", ")))
	}
	if s == nil {
		return "none"
	}
	return strings.Join(s, ", ")
}

// Coord gives the values of the coordinate of a dimension, unpacked, and their unit ("" if the file says none).
func (f *File) Coord(ctx context.Context, dim string) (values []float64, unit string, err error) {
	if axis, ok := f.Axes[dim]; ok {
		return slices.Clone(axis.Values), axis.Unit, nil
	}
	for _, a := range f.Arrays {
		if a.Name != dim || !a.IsCoord() || a.DType == Char {
			continue
		}
		values, err = a.Float64s(ctx)
		if err != nil {
			return nil, "", fmt.Errorf("%s: coordinate: %w", f.Name, err)
		}
		unit, _ = a.Attrs["units"].(string)
		return values, unit, nil
	}
	return nil, "", fmt.Errorf("%s: dimension %q: %w", f.Name, dim, ErrNoCoord)
}

// Key tells the contents of this file from every other: equal keys, equal bytes (as far as size, time and inode tell).
func (f *File) Key() string {
	ids := make([]string, len(f.Stores))
	for i, s := range f.Stores {
		ids[i] = s.ID().String()
	}
	return strings.Join(ids, "+")
}

// Check returns an error that wraps store.ErrChanged if a file it is read from is not what it was when it was opened.
func (f *File) Check() error {
	for _, s := range f.Stores {
		if err := s.Check(); err != nil {
			return err
		}
	}
	return nil
}

// BytesRead counts what came from storage since Open, headers too.
func (f *File) BytesRead() int64 {
	var n int64
	for _, s := range f.Stores {
		n += s.BytesRead()
	}
	return n
}

// Close closes the store files. No read may be under way.
func (f *File) Close() error {
	var errs []error
	for _, s := range f.Stores {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
