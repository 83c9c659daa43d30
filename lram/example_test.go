package lram_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"gridrun/lram"
	"gridrun/lram/store"
	"gridrun/rt"
)

// Three ranks read one point of the wind at 200 hPa; the block it is in is decoded once.
func Example() {
	stores := store.Set{"winds": os.DirFS("../jobs/windshear/data")}
	err := rt.Run(context.Background(), 3, func(ctx context.Context, w *rt.World) error {
		cache, err := lram.New(ctx, w, lram.Config{Memory: 16 << 20, Stores: stores})
		if err != nil {
			return err
		}
		defer cache.Close(ctx)
		u, err := cache.Open(ctx, "winds:gfs_uv_20111008.nc#u")
		if err != nil {
			return err
		}
		level, unit, err := u.Coord(ctx, "plev")
		if err != nil {
			return err
		}
		speed := make([]float64, 1)
		if _, err := lram.Read(ctx, u, []int{0, 10, 36, 0}, []int{1, 1, 1, 1}, speed); err != nil {
			return err
		}
		total, err := cache.Total(ctx)
		if err != nil || w.Rank() > 0 {
			return err
		}
		fmt.Println(u.Dims(), u.Shape(), u.DType())
		fmt.Printf("level 10 is %g %s, %d block decoded\n", level[10], unit, total.Decodes)
		return nil
	})
	if err != nil {
		log.Println(err)
	}
	// Output:
	// [time plev lat lon] [1 26 73 144] float32
	// level 10 is 35000 Pa, 1 block decoded
}
