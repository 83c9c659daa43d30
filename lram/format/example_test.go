package format_test

import (
	"bytes"
	"context"
	"fmt"
	"testing/fstest"

	"gridrun/lram/format"
	"gridrun/lram/format/array"
	"gridrun/lram/format/netcdf"
	"gridrun/lram/store"
)

// A file is written, opened through a store that holds it in memory, and one row of it read.
func Example() {
	var file bytes.Buffer
	err := netcdf.Write(&file, &netcdf.Content{
		Dims: []netcdf.Dim{{Name: "lat", Len: 2}, {Name: "lon", Len: 3}},
		Vars: []netcdf.Var{
			{Name: "lat", Dims: []string{"lat"}, Data: []float64{90, -90}, Attrs: []netcdf.Attr{{Name: "units", Value: "degrees_north"}}},
			{Name: "u", Dims: []string{"lat", "lon"}, Data: []float32{1, 2, 3, 4, 5, 6}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	u, err := format.Open(ctx, store.Set{"mem": fstest.MapFS{"winds.nc": {Data: file.Bytes()}}}, "mem:winds.nc#u")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer u.Close()
	fmt.Println(u.Name, u.Dims, u.Shape, u.DType)

	lat, unit, err := u.Coord(ctx, "lat")
	fmt.Println(lat, unit, err)

	row := make([]byte, 3*u.DType.Size())
	if err := u.ReadBox(ctx, []int{1, 0}, []int{1, 3}, row); err != nil {
		fmt.Println(err)
		return
	}
	for ; len(row) > 0; row = row[4:] {
		fmt.Println(array.Element(u.DType, row))
	}
	fmt.Println(u.ReadBox(ctx, []int{1, 0}, []int{2, 3}, nil))

	// Output:
	// u [lat lon] [2 3] float32
	// [90 -90] degrees_north <nil>
	// 4
	// 5
	// 6
	// read u: lat: start 1 count 2 exceeds 2
}
