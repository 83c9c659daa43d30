package box_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gridrun/internal/box"
)

func TestCheckNamesTheDimension(t *testing.T) {
	dims, shape := []string{"time", "lat", ""}, []int{4, 73, 144}
	for _, tc := range []struct {
		start, count []int
		want         string
	}{
		{[]int{0, 0, 0}, []int{4, 73, 144}, ""},
		{[]int{4, 73, 144}, []int{0, 0, 0}, ""},
		{[]int{0, 70, 0}, []int{1, 10, 1}, "lat: start 70 count 10 exceeds 73"},
		{[]int{5, 0, 0}, []int{0, 1, 1}, "time: start 5 count 0 exceeds 4"},
		{[]int{0, 0, 1}, []int{1, 1, math.MaxInt}, fmt.Sprintf("dimension 2: start 1 count %d exceeds 144", math.MaxInt)},
		{[]int{0, -1, 0}, []int{1, 1, 1}, "lat: start -1 count 1 is negative"},
		{[]int{0, 0}, []int{1, 1, 1}, "a box of 2 starts and 3 counts for an array of 3 dimensions"},
	} {
		if got := text(box.Check(dims, shape, tc.start, tc.count)); got != tc.want {
			t.Errorf("Check(%v, %v) = %q, want %q", tc.start, tc.count, got, tc.want)
		}
	}
}

func TestCheckStrided(t *testing.T) {
	for _, tc := range []struct {
		n, start, count, stride int
		want                    string
	}{
		{10, 0, 4, 3, ""},
		{10, 1, 3, 4, ""},
		{10, 10, 0, 1, ""},
		{10, 0, 1, math.MaxInt, ""},
		{10, 1, 4, 3, "x: start 1 count 4 stride 3 exceeds 10"},
		{10, 10, 1, 1, "x: start 10 count 1 stride 1 exceeds 10"},
		{10, 0, 2, math.MaxInt, fmt.Sprintf("x: start 0 count 2 stride %d exceeds 10", math.MaxInt)},
		{10, 11, 0, 1, "x: start 11 count 0 stride 1 exceeds 10"},
		{10, 0, 1, 0, "x: stride 0 is not positive"},
		{10, 0, -1, 1, "x: start 0 count -1 is negative"},
		{0, 0, 0, 5, ""},
		{0, 0, 1, 1, "x: start 0 count 1 stride 1 exceeds 0"},
	} {
		got := text(box.CheckStrided([]string{"x"}, []int{tc.n}, []int{tc.start}, []int{tc.count}, []int{tc.stride}))
		if got != tc.want {
			t.Errorf("CheckStrided(%+v) = %q, want %q", tc, got, tc.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSize(t *testing.T) {
	for _, tc := range []struct {
		shape []int
		n     int
		ok    bool
	}{
		{nil, 1, true}, {[]int{3, 5}, 15, true}, {[]int{3, 0, 5}, 0, true}, {[]int{0, -1}, 0, false},
		{[]int{math.MaxInt, 1}, math.MaxInt, true}, {[]int{math.MaxInt/2 + 1, 2}, 0, false}, {[]int{0, math.MaxInt, math.MaxInt}, 0, true},
	} {
		if n, ok := box.Size(tc.shape); n != tc.n || ok != tc.ok {
			t.Errorf("Size(%v) = %d %v, want %d %v", tc.shape, n, ok, tc.n, tc.ok)
		}
	}
}

func TestRuns(t *testing.T) {
	for _, tc := range []struct {
		shape, start, count []int
		want                string
	}{
		{nil, nil, nil, "[0+1]"},
		{[]int{7}, []int{2}, []int{3}, "[2+3]"},
		{[]int{4, 5}, []int{1, 0}, []int{2, 5}, "[5+10]"},
		{[]int{4, 5}, []int{1, 1}, []int{2, 3}, "[6+3 11+3]"},
		{[]int{2, 3, 4}, []int{0, 1, 0}, []int{2, 2, 4}, "[4+8 16+8]"},
		{[]int{2, 3, 4}, []int{0, 0, 0}, []int{2, 3, 4}, "[0+24]"},
		{[]int{4, 5}, []int{1, 1}, []int{2, 0}, "[]"},
		{[]int{0, 5}, []int{0, 0}, []int{0, 5}, "[]"},
	} {
		got := []string{}
		for off, n := range box.Runs(tc.shape, tc.start, tc.count) {
			got = append(got, fmt.Sprintf("%d+%d", off, n))
		}
		if fmt.Sprint(got) != tc.want {
			t.Errorf("Runs(%v, %v, %v) = %v, want %s", tc.shape, tc.start, tc.count, got, tc.want)
		}
	}
	for range box.Runs([]int{4, 5}, []int{0, 0}, []int{4, 2}) {
		break // a caller may stop
	}
}

func TestStrides(t *testing.T) {
	if got := box.Strides([]int{2, 3, 4}); !slices.Equal(got, []int{12, 4, 1}) {
		t.Errorf("Strides = %v", got)
	}
}

// FuzzRuns: the runs of any legal box are its elements, each once, ascending, and no two touch.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{4, 5, 1, 1, 2, 3})
	f.Add([]byte{2, 3, 4, 0, 1, 0, 2, 2, 4})
	f.Add([]byte{7, 0, 7})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, p []byte) {
		rank := min(len(p)/3, 5)
		shape, start, count := make([]int, rank), make([]int, rank), make([]int, rank)
		for i := range rank {
			shape[i], start[i], count[i] = int(p[i]%9), int(int8(p[rank+i]))%12, int(int8(p[2*rank+i]))%12
		}
		if err := box.Check(nil, shape, start, count); err != nil {
			for i := range rank {
				if start[i] < 0 || count[i] < 0 || start[i]+count[i] > shape[i] {
					return
				}
			}
			t.Fatalf("Check(%v, %v, %v): %v", shape, start, count, err)
		}
		var got []int
		end := -1
		for off, n := range box.Runs(shape, start, count) {
			if n < 1 || off <= end {
				t.Fatalf("run %d+%d behind %d", off, n, end)
			}
			for k := range n {
				got = append(got, off+k)
			}
			end = off + n // the next run may not start here: the two would be one
		}
		var want []int
		size, _ := box.Size(shape)
		strides := box.Strides(shape)
		for e := range size {
			inside := true
			for i := range rank {
				x := e / strides[i] % shape[i]
				inside = inside && x >= start[i] && x < start[i]+count[i]
			}
			if inside {
				want = append(want, e)
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("Runs(%v, %v, %v): elements %v, want %v", shape, start, count, got, want)
		}
	})
}

// TestStridedRuns compares with a walk over every element of the array.
func TestStridedRuns(t *testing.T) {
	for _, c := range []struct{ shape, start, count, stride []int }{
		{nil, nil, nil, nil},
		{[]int{7}, []int{1}, []int{3}, []int{2}},
		{[]int{7}, []int{1}, []int{3}, nil},
		{[]int{7}, []int{6}, []int{1}, []int{5}},
		{[]int{4, 5}, []int{1, 0}, []int{2, 5}, []int{2, 1}},
		{[]int{4, 5}, []int{0, 1}, []int{4, 2}, []int{1, 3}},
		{[]int{4, 5}, []int{0, 1}, []int{0, 2}, []int{1, 3}},
		{[]int{3, 4, 5}, []int{0, 1, 0}, []int{2, 2, 3}, []int{2, 2, 2}},
	} {
		if c.stride != nil {
			if err := box.CheckStrided(nil, c.shape, c.start, c.count, c.stride); err != nil {
				t.Fatal(err)
			}
		}
		var want []int
		size, _ := box.Size(c.shape)
		strides := box.Strides(c.shape)
		for off := range size {
			in := true
			for i := range c.shape {
				step := 1
				if c.stride != nil {
					step = c.stride[i]
				}
				at := off/strides[i]%c.shape[i] - c.start[i]
				in = in && at >= 0 && at%step == 0 && at/step < c.count[i]
			}
			if in {
				want = append(want, off)
			}
		}
		var got []int
		for off, n := range box.StridedRuns(c.shape, c.start, c.count, c.stride) {
			for i := range n {
				got = append(got, off+i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
}
