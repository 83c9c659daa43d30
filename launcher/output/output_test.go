package output

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// feed cuts text at random and returns what Lines makes of it, piece by piece.
func feed(l *Lines, text []byte, rnd *rand.Rand) (out [][]byte) {
	for len(text) > 0 {
		n := min(1+rnd.IntN(2*MaxLine), len(text))
		if rnd.IntN(2) == 0 {
			n = min(1+rnd.IntN(20), len(text))
		}
		piece := l.Feed(bytes.Clone(text[:n]))
		out = append(out, bytes.Clone(piece))
		text = text[n:]
	}
	return append(out, l.End())
}

func TestLinesKeepEveryByte(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for i := range 200 {
		text := make([]byte, rnd.IntN(3*MaxLine))
		for j := range text {
			text[j] = "ab\x00\n"[rnd.IntN(3+i%2)]
		}
		for _, raw := range []bool{false, true} {
			pieces := feed(&Lines{Raw: raw}, text, rnd)
			if !bytes.Equal(bytes.Join(pieces, nil), text) {
				t.Fatalf("case %d, raw %v: bytes changed", i, raw)
			}
			if raw {
				continue
			}
			for n, p := range pieces[:len(pieces)-1] {
				if len(p) > 0 && len(p) < MaxLine && p[len(p)-1] != '\n' {
					t.Fatalf("case %d: piece %d is no whole line", i, n)
				}
			}
		}
	}
}

func TestLinesTag(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"a", "[3] a\n"},
		{"a\n", "[3] a\n"},
		{"\n\nb", "[3] \n[3] \n[3] b\n"},
		{long + "yz\nb\n", "[3] " + long + "y\n[3] z\n[3] b\n"},
	} {
		l := &Lines{Tag: "[3] "}
		var got []byte
		for i := range len(c.text) { // byte by byte
			out := l.Feed([]byte{c.text[i]})
			got = append(got, out...)
		}
		got = append(got, l.End()...)
		if string(got) != c.want {
			t.Errorf("%.20q...: got %.40q, want %.40q", c.text, got, c.want)
		}
	}
}

func TestWriterOrderAndCredit(t *testing.T) {
	var got bytes.Buffer
	w := NewWriter(&got, &Screen{}, func(err error) { t.Error(err) })
	written := 0
	var want []byte
	for i := range 1000 {
		data := bytes.Repeat([]byte{byte(i)}, i%700)
		want = append(want, data...)
		w.Put(data, func() { written++ })
	}
	w.Close()
	<-w.Done()
	if !bytes.Equal(got.Bytes(), want) || written != 1000 {
		t.Fatalf("%d bytes of %d, %d pieces called back", got.Len(), len(want), written)
	}
}

// failingWriter fails from its n-th write on.
type failingWriter struct{ n int }

func (f *failingWriter) Write(b []byte) (int, error) {
	if f.n--; f.n < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestWriterFailsOnceAndKeepsGrantingCredit(t *testing.T) {
	for n := range 4 {
		fails, written := 0, 0
		w := NewWriter(&failingWriter{n}, &Screen{}, func(err error) {
			fails++
			if !errors.Is(err, io.ErrClosedPipe) {
				t.Error(err)
			}
		})
		step := make(chan struct{})
		for range 6 {
			w.Put([]byte("x"), func() { written++; step <- struct{}{} })
			<-step // one write each
		}
		w.Close()
		<-w.Done()
		if fails != 1 || written != 6 {
			t.Fatalf("failing at write %d: %d failures told, %d pieces called back", n, fails, written)
		}
	}
}

func TestScreen(t *testing.T) {
	var tty bytes.Buffer
	s := &Screen{Terminal: &tty, Columns: 40}
	shows := func(what, data, want string) {
		t.Helper()
		tty.Reset()
		if err := s.write(&tty, []byte(data)); err != nil || tty.String() != want {
			t.Errorf("%s: %q, %v, want %q", what, tty.String(), err, want)
		}
	}
	const bar = "\rread [======                     ]  25%\x1b[K"
	if !s.Progress(0, 1, 4, "read") {
		t.Error("the first progress is not drawn")
	}
	if s.Progress(0, 1, 4, "read") {
		t.Error("the second one is drawn at once")
	}
	shows("bar", "", bar)
	shows("line over a bar", "line\n", "\r\x1b[Kline\n"+bar)
	shows("half a line over a bar", "half", "\r\x1b[Khalf")
	shows("the other half", "\n", "\n"+bar)
	s.Progress(0, 4, 4, "read")
	shows("at the end", "", "\r\x1b[K")
	s.Progress(1, 1, 12, "write")
	s.Progress(2, 1, 4, "write")
	shows("another task", "", "\rwrite [===                       ]  12%\x1b[K")
	s.Clear()
	shows("after the end", "end\n", "\r\x1b[Kend\n")

	s = &Screen{Terminal: &tty}
	if s.Progress(0, 1, 2, "x") {
		t.Error("progress is drawn without a terminal")
	}
	shows("no terminal", "line\n", "line\n")
	shows("no terminal, no data", "", "")
}

func TestBarFits(t *testing.T) {
	for columns := range 100 {
		for _, label := range []string{"", "wind shear", strings.Repeat("long ", 20)} {
			if got := []rune(bar(label, 1, 3, columns)); len(got) > columns {
				t.Fatalf("%d columns: %q", columns, string(got))
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nb"), 1)
	f.Add([]byte("\n\n"), 2)
	f.Fuzz(func(t *testing.T, text []byte, step int) {
		step = min(max(step, 1), 1<<16)
		l := &Lines{}
		var got []byte
		for i := 0; i < len(text); i += step {
			out := l.Feed(bytes.Clone(text[i:min(i+step, len(text))]))
			got = append(got, out...)
		}
		if got = append(got, l.End()...); !bytes.Equal(got, text) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}
