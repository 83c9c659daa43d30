package windshear

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
	"os"

	"gridrun/lram/format/netcdf"
)

// missingShear stands for a missing value in shear.nc: the fill value that the format itself defines for float.
const missingShear = float32(9.969209968386869e36)

// A ncFile is shear.nc while it grows, a record for each time step. The field of a long series need not fit in memory.
type ncFile struct {
	f       *os.File
	out     *bufio.Writer
	records uint32
	points  int // of a time step
	scratch []byte
}

// createNC writes the header and the coordinates to an empty file, which stays the caller's to close.
func createNC(f *os.File, g Grid, title, source, levels string) (*ncFile, error) {
	timeAttrs := []netcdf.Attr{{Name: "long_name", Value: "time"}, {Name: "axis", Value: "T"}}
	if g.TimeUnit != "" {
		timeAttrs = append(timeAttrs, netcdf.Attr{Name: "units", Value: g.TimeUnit})
	}
	if g.Calendar != "" {
		timeAttrs = append(timeAttrs, netcdf.Attr{Name: "calendar", Value: g.Calendar})
	}
	n := &ncFile{f: f, points: len(g.Lat) * len(g.Lon), out: bufio.NewWriterSize(f, 1<<18)}
	return n, netcdf.Write(n.out, &netcdf.Content{
		Dims: []netcdf.Dim{{Name: "time", Record: true}, {Name: "lat", Len: len(g.Lat)}, {Name: "lon", Len: len(g.Lon)}},
		Attrs: []netcdf.Attr{
			{Name: "Conventions", Value: "CF-1.8"}, {Name: "title", Value: title}, {Name: "source", Value: source}, {Name: "history", Value: "computed by gridrun windshear"},
		},
		Vars: []netcdf.Var{
			{Name: "lat", Dims: []string{"lat"}, Data: g.Lat, Attrs: []netcdf.Attr{
				{Name: "standard_name", Value: "latitude"}, {Name: "units", Value: "degrees_north"}, {Name: "axis", Value: "Y"},
			}},
			{Name: "lon", Dims: []string{"lon"}, Data: g.Lon, Attrs: []netcdf.Attr{
				{Name: "standard_name", Value: "longitude"}, {Name: "units", Value: "degrees_east"}, {Name: "axis", Value: "X"},
			}},
			{Name: "time", Dims: []string{"time"}, Data: []float64{}, Attrs: timeAttrs},
			{Name: "shear", Dims: []string{"time", "lat", "lon"}, Data: []float32{}, Attrs: []netcdf.Attr{
				{Name: "long_name", Value: "vertical wind shear, " + levels}, {Name: "units", Value: "m s-1"}, {Name: "_FillValue", Value: missingShear},
			}},
		},
	})
}

// append adds the record of a time step: as the format has it, the values of the record variables one after the other, big-endian. Both sizes are multiples of four, so there is no padding.
func (n *ncFile) append(time float64, values []float32) error {
	b := binary.BigEndian.AppendUint64(n.scratch[:0], math.Float64bits(time))
	for _, v := range values {
		if v != v {
			v = missingShear
		}
		b = binary.BigEndian.AppendUint32(b, math.Float32bits(v))
	}
	n.scratch = b
	n.records++
	_, err := n.out.Write(b)
	return err
}

// finish writes the number of records, which stands behind the four bytes of the magic number.
func (n *ncFile) finish() error {
	if err := n.out.Flush(); err != nil {
		return err
	}
	var magic [4]byte
	if _, err := n.f.ReadAt(magic[:], 0); err != nil {
		return err
	}
	if magic[3] == 5 { // there the number has 8 bytes; coordinates and floats never need this version
		return fmt.Errorf("unexpected version of the format")
	}
	_, err := n.f.WriteAt(binary.BigEndian.AppendUint32(nil, n.records), int64(len(magic)))
	return err
}
