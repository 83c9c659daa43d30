package format

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"gridrun/lram/format/array"
	"gridrun/lram/format/netcdf"
	"gridrun/lram/format/raw"
	"gridrun/lram/store"
)

// Dataset is one array of an opened file. The file is its own: Close closes it.
type Dataset struct {
	*array.Array
	File *array.File
}

// formats are tried in order; the first whose match is true reads the file. head is the file's first bytes, at most headBytes.
var formats = []struct {
	match func(name string, head []byte) bool
	open  func(ctx context.Context, st store.Store, name string, f store.File) (*array.File, error)
}{
	{match: isHDF5, open: refuseHDF5},
	{
		match: func(_ string, head []byte) bool { return bytes.HasPrefix(head, []byte("CDF")) },
		open: func(ctx context.Context, _ store.Store, name string, f store.File) (*array.File, error) {
			return netcdf.Open(ctx, name, f)
		},
	},
	{
		match: func(name string, _ []byte) bool { return strings.HasSuffix(strings.ToLower(name), ".json") },
		open:  raw.Open,
	},
}

const headBytes = 8

// Open opens the array that ref names; see ParseRef.
func Open(ctx context.Context, st store.Store, ref string) (*Dataset, error) {
	r, err := ParseRef(ref)
	if err != nil {
		return nil, err
	}
	f, err := OpenFile(ctx, st, r.File)
	if err != nil {
		return nil, err
	}
	var a *array.Array
	if r.Var != "" {
		a, err = f.Array(r.Var)
	} else {
		a, err = f.Main()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Dataset{Array: a, File: f}, nil
}

// OpenFile opens a file of arrays, whatever its format.
func OpenFile(ctx context.Context, st store.Store, name string) (*array.File, error) {
	f, err := st.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	head := make([]byte, min(headBytes, f.Size()))
	if _, err := f.ReadAt(head, 0); err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	for _, format := range formats {
		if !format.match(name, head) {
			continue
		}
		file, err := format.open(ctx, st, name, f)
		if err != nil {
			f.Close()
			return nil, err
		}
		return file, nil
	}
	f.Close()
	if len(head) == 0 {
		return nil, fmt.Errorf("open %s: the file is empty", name)
	}
	return nil, fmt.Errorf("open %s: not a format that is read here (NetCDF classic, or a .json description of raw data); it starts with %q", name, head)
}

// isHDF5 looks for the signature at the start of the file, where NetCDF-4 has it.
func isHDF5(_ string, head []byte) bool { return bytes.Equal(head, []byte("\x89HDF\r\n\x1a\n")) }

func refuseHDF5(_ context.Context, _ store.Store, name string, _ store.File) (*array.File, error) {
	return nil, fmt.Errorf("open %s: NetCDF-4/HDF5 is not read yet; convert it: nccopy -k cdf5 %s out.nc", name, name)
}

// Coord gives the values of the coordinate of a dimension and their unit; the error wraps array.ErrNoCoord if the file has none.
func (d *Dataset) Coord(ctx context.Context, dim string) (values []float64, unit string, err error) {
	return d.File.Coord(ctx, dim)
}

// Key is equal for two Datasets, in whatever process, only if they are the same array in the same state of the same file.
func (d *Dataset) Key() string { return d.File.Key() + "#" + d.Name }

// Close closes the file. No read may be under way.
func (d *Dataset) Close() error { return d.File.Close() }
