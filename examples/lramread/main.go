// Lramread: every rank reads its rows of an array in a file through the job's
// cache; together they check every value, and that each block was read once.
package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"gridrun/collectives"
	"gridrun/lram"
	"gridrun/rt"
)

const rows, cols = 501, 400

func main() { rt.Main(lramread) }

func lramread(ctx context.Context, w *rt.World) (err error) {
	// Rank 0 writes the file and tells the others where it is.
	var dir string
	if w.Rank() == 0 {
		if dir, err = write(); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if dir, err = collectives.BcastValue(ctx, w, 0, dir); err != nil {
		return err
	}
	cache, err := lram.New(ctx, w, lram.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cache.Close(ctx)) }()
	data, err := cache.Open(ctx, filepath.Join(dir, "table.json"))
	if err != nil {
		return err
	}
	defer data.Close()

	row := make([]float64, cols)
	for r := w.Rank(); r < rows; r += w.Size() {
		if _, err := lram.Read(ctx, data, []int{r, 0}, []int{1, cols}, row); err != nil {
			return err
		}
		for c, v := range row {
			if v != float64(r*cols+c) {
				return fmt.Errorf("table[%d,%d] is %v", r, c, v)
			}
		}
	}
	total, err := cache.Total(ctx)
	if err != nil {
		return err
	}
	if total.BytesRead != rows*cols*4 {
		return fmt.Errorf("%d bytes were read from a file of %d", total.BytesRead, rows*cols*4)
	}
	if w.Rank() == 0 {
		fmt.Fprintf(w.Stdout(), "%d ranks read %d x %d values; the file was read once\n", w.Size(), rows, cols)
	}
	return nil
}

func write() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "lramread"); err != nil {
		return "", err
	}
	var b []byte
	for i := range rows * cols {
		b = binary.BigEndian.AppendUint32(b, uint32(i))
	}
	head := fmt.Sprintf(`{"path": "table.bin", "dtype": "int32", "byte_order": "big", "shape": [%d, %d], "dims": ["row", "col"]}`, rows, cols)
	return dir, errors.Join(os.WriteFile(filepath.Join(dir, "table.bin"), b, 0o600), os.WriteFile(filepath.Join(dir, "table.json"), []byte(head), 0o600))
}
