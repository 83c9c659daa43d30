package launcher

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"gridrun/internal/wire"
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

// TestRunInputOfAll: everybody gets all, at its own pace; who stops does not
// hold up the others.
func TestRunInputOfAll(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text := bytes.Repeat([]byte("0123456789abcde\n"), 8<<10)
	go func() {
		w.Write(text)
		w.Close()
	}()
	got := runFake(t, jobOf(t, 4, func(s *Spec) { s.Stdin = "all" }), &fake{play: func(a *fakeAgent) {
		a.ready()
		taken := make([][]byte, 4)
		ends := 0
		// 0 takes all at once, 1 by single reads, 2 only when 0 has got all, 3 stops.
		a.say(&wire.Want{Proc: 0, N: 1 << 20})
		for ends < 3 {
			switch m := a.hear().(type) {
			case *wire.Offer:
				switch m.Proc {
				case 1:
					a.say(&wire.Want{Proc: 1, N: 5000, Once: true})
				case 3:
					if len(taken[3]) == 0 {
						a.say(&wire.Want{Proc: 3, N: 10, Once: true})
					} else {
						a.say(&wire.Want{Proc: 3, End: true})
					}
				}
			case *wire.Input:
				if taken[m.Proc] = append(taken[m.Proc], m.Data...); len(m.Data) > 0 {
					continue
				}
				if ends++; m.Proc == 0 {
					a.say(&wire.Want{Proc: 2, N: 1 << 20})
				}
			default:
				t.Errorf("heard %T", m)
				return
			}
		}
		for p, size := range []int{len(text), len(text), len(text), 10} {
			if !bytes.Equal(taken[p], text[:size]) {
				t.Errorf("process %d got %d bytes, want %d", p, len(taken[p]), size)
			}
		}
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = r })
	if got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// TestRunInputStays: what no rank wants is left to others.
func TestRunInputStays(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	io.WriteString(w, "a\nb\n")
	w.Close()
	runFake(t, jobOf(t, 1, nil), &fake{play: func(a *fakeAgent) {
		a.ready()
		if m, ok := a.hear().(*wire.Offer); !ok || m.Proc != 0 {
			t.Errorf("heard %+v, want Offer", m)
		}
		a.finish(wire.Exit{})
	}}, func(io *IO) { io.Stdin = r })
	if left, _ := io.ReadAll(r); string(left) != "a\nb\n" {
		t.Errorf("left: %q", left)
	}
}
