package stdin

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"
)

// TestSpool compares a spool with the whole stream, and looks that it is not
// kept: readers at random places, always one that is far behind.
func TestSpool(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	rnd := rand.New(rand.NewPCG(3, 4))
	var s spool
	var stream []byte
	readers := make([]int64, 3)
	files := 0
	for range 3000 {
		if rnd.IntN(3) == 0 {
			data := make([]byte, rnd.IntN(20000))
			for i := range data {
				data[i] = byte(rnd.Int())
			}
			stream = append(stream, data...)
			if err := s.append(data); err != nil {
				t.Fatal(err)
			}
		}
		i := rnd.IntN(len(readers))
		n := rnd.IntN(30000)
		if i == 0 && rnd.IntN(100) > 0 {
			n = rnd.IntN(100) // far behind
		}
		data, err := s.read(readers[i], n)
		if err != nil {
			t.Fatal(err)
		}
		if want := stream[readers[i]:][:len(data)]; !bytes.Equal(data, want) || len(data) < min(n, len(stream)-int(readers[i])) {
			t.Fatalf("%d bytes at %d differ", len(data), readers[i])
		}
		readers[i] += int64(len(data))
		if rnd.IntN(500) == 0 {
			readers[0] = s.end
		}
		s.trim(min(readers[0], readers[1], readers[2]))
		if s.file != nil {
			files++
		}
		if len(s.mem) > maxSpoolMemory || int64(len(stream)) != s.end {
			t.Fatalf("%d bytes in memory, the end is %d of %d", len(s.mem), s.end, len(stream))
		}
	}
	s.close()
	if left, _ := os.ReadDir(os.Getenv("TMPDIR")); files == 0 || files == 3000 || len(left) > 0 {
		t.Errorf("a file was used %d times; left: %v", files, left)
	}
}
