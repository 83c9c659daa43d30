package lram

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A plain array is the twin of a file: every element as it is stored, in memory.
type plain struct {
	ref    string
	dtype  string
	shape  []int
	stored []float64 // exactly representable in dtype
	bytes  int64
}

var dtypes = []string{"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"}

// encode writes values as dtype, little-endian.
func encode(dtype string, values []float64) []byte {
	var b []byte
	le := binary.LittleEndian
	for _, v := range values {
		switch dtype {
		case "int8", "uint8":
			b = append(b, byte(int64(v)))
		case "int16", "uint16":
			b = le.AppendUint16(b, uint16(int64(v)))
		case "int32", "uint32":
			b = le.AppendUint32(b, uint32(int64(v)))
		case "int64", "uint64":
			b = le.AppendUint64(b, uint64(int64(v)))
		case "float32":
			b = le.AppendUint32(b, math.Float32bits(float32(v)))
		case "float64":
			b = le.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b
}

// writePlain makes a raw array of values with a description; more is merged into that.
func writePlain(t testing.TB, dir, name, dtype string, shape []int, values []float64, more map[string]any) *plain {
	t.Helper()
	data := encode(dtype, values)
	desc := map[string]any{"path": name + ".bin", "dtype": dtype, "shape": shape}
	for k, v := range more {
		desc[k] = v
	}
	text, err := json.Marshal(desc)
	if err != nil {
		t.Fatal(err)
	}
	p := &plain{ref: filepath.Join(dir, name+".json"), dtype: dtype, shape: shape, stored: values, bytes: int64(len(data))}
	for file, content := range map[string][]byte{p.ref: text, filepath.Join(dir, name+".bin"): data} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func randomPlain(t testing.TB, r *rand.Rand, dir, name, dtype string, shape []int) *plain {
	n := 1
	for _, d := range shape {
		n *= d
	}
	values := make([]float64, n)
	for i := range values {
		values[i] = float64(r.IntN(100)) // in the range of every type
		if dtype[0] == 'f' {
			values[i] -= 50.25
		}
	}
	return writePlain(t, dir, name, dtype, shape, values, nil)
}

// at is what a read of a box gives, element by element.
func (p *plain) at(start, count, stride []int) []float64 {
	n := 1
	for _, c := range count {
		n *= c
	}
	out := make([]float64, n)
	for k := range out {
		off := 0
		for d, x := range position(k, start, count, stride) {
			off = off*p.shape[d] + x
		}
		out[k] = p.stored[off]
	}
	return out
}

// randomBox is a box inside the array, empty now and then.
func (p *plain) randomBox(r *rand.Rand) (start, count, stride []int) {
	for _, n := range p.shape {
		s := r.IntN(n)
		k := 1
		if r.IntN(2) == 0 {
			k = 1 + r.IntN(4)
		}
		start, stride = append(start, s), append(stride, k)
		count = append(count, r.IntN((n-1-s)/k+2))
	}
	return start, count, stride
}

func same(a, b []float64) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d elements, want %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] && (a[i] == a[i] || b[i] == b[i]) {
			return fmt.Errorf("element %d is %v, want %v", i, a[i], b[i])
		}
	}
	return nil
}

// noLeaks fails the test if, at its end, goroutines, descriptors or mappings of a cache's memory stay behind.
func noLeaks(t *testing.T) {
	t.Helper()
	descriptors := func() int {
		e, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			return 0
		}
		return len(e)
	}
	goroutines, files := runtime.NumGoroutine(), descriptors()
	t.Cleanup(func() {
		for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
			maps, _ := os.ReadFile("/proc/self/maps")
			mapped := strings.Contains(string(maps), "gridrun-lram")
			if runtime.NumGoroutine() <= goroutines && descriptors() <= files && !mapped {
				return
			}
			if time.Now().After(deadline) {
				buf := make([]byte, 64<<10)
				t.Errorf("left behind: %d goroutines (%d before), %d descriptors (%d before), cache mapped: %v\n%s",
					runtime.NumGoroutine(), goroutines, descriptors(), files, mapped, buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}
