package lram

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestConversions(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	packed := writePlain(t, dir, "packed", "int16", []int{4}, []float64{0, 100, -32768, 7}, map[string]any{"scale": 0.5, "add_offset": 200, "missing": -32768})
	floats := writePlain(t, dir, "floats", "float32", []int{4}, []float64{1.5, -9999, math.NaN(), -3.75}, map[string]any{"missing": -9999})
	bytes := writePlain(t, dir, "bytes", "uint8", []int{3}, []float64{0, 7, 200}, nil)
	big := writePlain(t, dir, "big", "int64", []int{2}, []float64{-5, 1 << 40}, nil)
	one(t, Config{}, func(ctx context.Context, c *Cache) {
		nan := math.NaN()
		check(ctx, t, c, packed, []float64{200, 250, nan, 203.5}, nil, "")
		check(ctx, t, c, packed, []float32{200, 250, float32(nan), 203.5}, nil, "")
		check(ctx, t, c, packed, []int32{200, 250}, ErrMissing, "element [2]")
		check(ctx, t, c, floats, []float64{1.5, nan, nan, -3.75}, nil, "")
		check(ctx, t, c, floats, []float32{1.5, float32(nan), float32(nan), -3.75}, nil, "")
		check(ctx, t, c, floats, []int8{1}, ErrMissing, "element [1]")
		check(ctx, t, c, bytes, []int8{0, 7}, ErrRange, "element [2]")
		check(ctx, t, c, bytes, []int16{0, 7, 200}, nil, "")
		check(ctx, t, c, bytes, []uint64{0, 7, 200}, nil, "")
		check(ctx, t, c, big, []uint64{}, ErrRange, "element [0]")
		check(ctx, t, c, big, []int32{-5}, ErrRange, "element [1]")
		check(ctx, t, c, big, []int64{-5, 1 << 40}, nil, "")
		check(ctx, t, c, big, []float64{-5, 1 << 40}, nil, "")
		type metres float32
		check(ctx, t, c, bytes, []metres{0, 7, 200}, nil, "")
	})
}

// check reads a whole array as T: want, or an error that says where after the elements in want.
func check[T Real](ctx context.Context, t *testing.T, c *Cache, p *plain, want []T, wantErr error, says string) {
	t.Helper()
	d, err := c.Open(ctx, p.ref)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got := make([]T, p.shape[0])
	n, err := Read(ctx, d, []int{0}, p.shape, got)
	if wantErr != nil {
		if !errors.Is(err, wantErr) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), p.ref) {
			t.Errorf("%s as %T: %v, want %v at %s", p.dtype, want, err, wantErr, says)
		}
		return
	}
	if err != nil || n != len(want) {
		t.Errorf("%s as %T: %d, %v", p.dtype, want, n, err)
	}
	for i := range want {
		if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
			t.Errorf("%s as %T: element %d is %v, want %v", p.dtype, want, i, got[i], want[i])
		}
	}
}
