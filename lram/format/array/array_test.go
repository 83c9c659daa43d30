package array

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
)

func TestConvert(t *testing.T) {
	for _, tc := range []struct {
		d    DType
		v    any
		want any // nil: no such value
	}{
		{Int8, int16(-128), int8(-128)}, {Int8, 128, nil}, {Int8, 0.5, nil}, {Int8, uint64(math.MaxUint64), nil}, {Int8, math.NaN(), nil},
		{Uint8, -1, nil}, {Uint8, 255.0, uint8(255)}, {Uint8, uint64(256), nil},
		{Int16, float32(-32767), int16(-32767)}, {Uint16, int8(-1), nil}, {Uint16, uint16(65535), uint16(65535)},
		{Int32, uint32(math.MaxUint32), nil}, {Uint32, int64(math.MaxUint32), uint32(math.MaxUint32)},
		{Int64, uint64(1) << 63, nil}, {Int64, 0x1p63, nil}, {Int64, -0x1p63, int64(math.MinInt64)}, {Int64, int64(math.MaxInt64), int64(math.MaxInt64)},
		{Uint64, uint64(math.MaxUint64), uint64(math.MaxUint64)}, {Uint64, 0x1p63, uint64(1) << 63}, {Uint64, 0x1p64, nil}, {Uint64, uint8(3), uint64(3)},
		{Float32, -9999.0, float32(-9999)}, {Float32, 1e20, float32(1e20)}, {Float32, int32(7), float32(7)}, {Float64, uint64(1) << 63, 0x1p63},
		{Float64, math.Inf(1), math.Inf(1)}, {Float64, "7", nil}, {Float64, nil, nil}, {Char, 7, nil},
	} {
		got, ok := tc.d.Convert(tc.v)
		if ok != (tc.want != nil) || ok && got != tc.want {
			t.Errorf("%s.Convert(%T %v) = %T %v %v, want %T %v", tc.d, tc.v, tc.v, got, got, ok, tc.want, tc.want)
		}
	}
	if v, ok := Float32.Convert(math.NaN()); !ok || !math.IsNaN(float64(v.(float32))) {
		t.Errorf("NaN as float32: %v %v", v, ok)
	}
}

func TestDTypes(t *testing.T) {
	for _, d := range DTypes {
		got, err := ParseDType(string(d))
		if err != nil || got != d || d.Size() == 0 {
			t.Errorf("%s: %v %v, size %d", d, got, err, d.Size())
		}
	}
	if _, err := ParseDType("float16"); err == nil || DType("float16").Size() != 0 {
		t.Errorf("float16: %v", err)
	}
}

func TestElement(t *testing.T) {
	for _, want := range []any{int8(-2), uint8(200), int16(-300), uint16(60000), int32(-70000), uint32(4e9), int64(-5e9), uint64(1 << 63), float32(0.5), -0.25} {
		d := DType(fmt.Sprintf("%T", want))
		p, err := binary.Append(nil, binary.NativeEndian, want)
		if got := Element(d, p); err != nil || got != want {
			t.Errorf("%s: %T %v, want %v", d, got, got, want)
		}
	}
}

// calls records the reads of a file and fails the n-th.
type calls struct {
	*bytes.Reader
	lens   []int
	failAt int // 0: never
}

var errDisk = errors.New("disk on fire")

func (c *calls) ReadAt(p []byte, off int64) (int, error) {
	c.lens = append(c.lens, len(p))
	if len(c.lens) == c.failAt {
		return len(p) / 2, errDisk
	}
	return c.Reader.ReadAt(p, off)
}

func strided(size int, shape ...int) (*Array, *calls) {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 7)
	}
	c := &calls{Reader: bytes.NewReader(data)}
	a := &Array{Name: "v", Dims: make([]string, len(shape)), Shape: shape, DType: Int8, Scale: 1}
	a.Reader = &Strided{At: c, Shape: shape, Elem: 1, Order: binary.BigEndian}
	return a, c
}

// TestFewCalls: neighbouring runs are one call, near ones are read together, far ones are not.
func TestFewCalls(t *testing.T) {
	for _, tc := range []struct {
		name         string
		shape        []int
		start, count []int
		want         string
	}{
		{"whole rows", []int{8, 1000}, []int{2, 0}, []int{3, 1000}, "[3000]"},
		{"columns", []int{8, 1000}, []int{0, 10}, []int{8, 5}, "[7005]"},
		{"far rows", []int{3, 100000}, []int{0, 10}, []int{3, 5}, "[5 5 5]"},
		{"every second byte", []int{40000, 2}, []int{0, 1}, []int{40000, 1}, "[65535 14463]"},
		{"more than a sieve holds", []int{2400, 1000}, []int{0, 0}, []int{2400, 999}, "[1047999 1047999 303999]"},
	} {
		a, c := strided(tc.shape[0]*tc.shape[1], tc.shape...)
		n, _ := a.Bytes(tc.count)
		dst := make([]byte, n)
		if err := a.ReadBox(t.Context(), tc.start, tc.count, dst); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(c.lens) != tc.want {
			t.Errorf("%s: calls of %v bytes, want %s", tc.name, c.lens, tc.want)
		}
		for i, got := range dst {
			off := (tc.start[0]+i/tc.count[1])*tc.shape[1] + tc.start[1] + i%tc.count[1]
			if got != byte(off*7) {
				t.Fatalf("%s: element %d is wrong", tc.name, i)
			}
		}
	}
}

// TestFaultAtEveryRead: the error of any read call comes back, with the variable's name.
func TestFaultAtEveryRead(t *testing.T) {
	a, c := strided(300000, 3, 100000)
	for n := 1; n <= 3; n++ {
		c.lens, c.failAt = nil, n
		err := a.ReadBox(t.Context(), []int{0, 10}, []int{3, 5}, make([]byte, 15))
		if !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "read v: ") || len(c.lens) != n {
			t.Errorf("read %d failing: error %v after %d calls", n, err, len(c.lens))
		}
	}
	short, _ := strided(10, 20)
	if err := short.ReadBox(t.Context(), []int{0}, []int{20}, make([]byte, 20)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("behind the end: error %v", err)
	}
}

func TestCancelledBetweenCalls(t *testing.T) {
	a, c := strided(300000, 3, 100000)
	ctx, cancel := context.WithCancelCause(t.Context())
	a.Reader.(*Strided).At = cancelling{c, cancel}
	if err := a.ReadBox(ctx, []int{0, 10}, []int{3, 5}, make([]byte, 15)); !errors.Is(err, errDisk) || len(c.lens) != 1 {
		t.Errorf("error %v after %d calls, want the cause after 1", err, len(c.lens))
	}
}

type cancelling struct {
	io.ReaderAt
	cancel context.CancelCauseFunc
}

func (c cancelling) ReadAt(p []byte, off int64) (int, error) {
	c.cancel(errDisk)
	return c.ReaderAt.ReadAt(p, off)
}

func TestMainArray(t *testing.T) {
	u := &Array{Name: "u", Dims: []string{"t", "x"}, Shape: []int{1, 2}, DType: Float32}
	v := &Array{Name: "v", Dims: []string{"t", "x"}, Shape: []int{1, 2}, DType: Float32}
	x := &Array{Name: "x", Dims: []string{"x"}, Shape: []int{2}, DType: Float64}
	text := &Array{Name: "text", Dims: []string{"a", "b", "c"}, Shape: []int{1, 1, 1}, DType: Char}
	for _, tc := range []struct {
		arrays []*Array
		want   string
	}{
		{[]*Array{x, u, text}, "u"},
		{[]*Array{x}, "x"},
		{[]*Array{u, x, v}, "f: which variable? name one as f#u (there are: u(t, x), x(x), v(t, x))"},
		{[]*Array{x, text}, "f: no variable but coordinates (there are: x(x), text(a, b, c))"},
		{nil, "f: no variable but coordinates (there are: none)"},
	} {
		a, err := (&File{Name: "f", Arrays: tc.arrays}).Main()
		got := fmt.Sprint(err)
		if err == nil {
			got = a.Name
		}
		if got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
