package tcp

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"gridrun/internal/transport/seal"
)

// trickle is a socket that takes and gives as much as it likes at a time.
type trickle struct {
	rng     *rand.Rand
	in, out *bytes.Buffer
	most    int
}

func (s *trickle) some(n int) int { return min(n, s.rng.IntN(s.most+1)) }

func (s *trickle) send(what [][]byte) (int, error) {
	n := s.some(len(what[0]))
	return s.out.Write(what[0][:n])
}

func (s *trickle) recv(a, _ []byte) (int, error) {
	n := s.some(min(len(a), s.in.Len()))
	if n == 0 {
		return 0, errAgain
	}
	return s.in.Read(a[:n])
}

// veils returns both ends of a sealed connection, after the handshake.
func veils(t testing.TB) (ends [2]*veil) {
	t.Helper()
	a, b := connPair()
	t.Cleanup(func() { a.Close(); b.Close() })
	ends[0], ends[1] = &veil{Conn: a}, &veil{Conn: b}
	served := make(chan error)
	key := bytes.Repeat([]byte{7}, 32)
	go func() {
		s, err := seal.New("job", key, 1)
		if err == nil {
			ends[1].tls, _, err = s.Server(context.Background(), ends[1])
		}
		served <- err
	}()
	s, err := seal.New("job", key, 0)
	if err == nil {
		ends[0].tls, err = s.Client(context.Background(), ends[0], 1)
	}
	if other := <-served; err != nil || other != nil {
		t.Fatal(err, other)
	}
	return ends
}

// What is sealed is opened whole, however little the kernel takes and gives at a time
// and however the slices are cut.
func TestVeil(t *testing.T) {
	for _, most := range []int{1, 7, 1000, 20_000, 1 << 20} {
		rng := rand.New(rand.NewPCG(1, uint64(most)))
		var there, back bytes.Buffer
		ends := veils(t)
		ends[0].raw = &trickle{rng: rng, in: &back, out: &there, most: most}
		ends[1].raw = &trickle{rng: rng, in: &there, out: &back, most: most}
		all := pattern(most, min(400*most, 1<<20))
		got := make([]byte, 0, len(all))
		into := make([]byte, 100_000)
		for rest := all; len(got) < len(all); {
			if len(rest) > 0 {
				// As a link does: what was not taken is offered again, with more behind it.
				var what [][]byte
				for at := 0; at < len(rest) && len(what) < 4; {
					end := min(len(rest), at+[]int{1, 72, 512, longSlice, mixedBytes, sealBytes + 1}[rng.IntN(6)])
					what = append(what, rest[at:end])
					at = end
				}
				if ends[0].held > 0 { // the writer's slices stay as they are
					what = [][]byte{rest}
				}
				n, err := ends[0].seal(what)
				if err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			n, err := ends[1].open(into[:1+rng.IntN(len(into))])
			if err != nil && err != errAgain || (err == nil) != (n > 0) {
				t.Fatalf("after %d bytes: %d, %v", len(got), n, err)
			}
			got = append(got, into[:n]...)
		}
		if !bytes.Equal(got, all) {
			t.Errorf("at most %d bytes at a time: changed on the way", most)
		}
	}
}

// What came behind the handshake's last byte is in TLS's memory, not the kernel's.
func TestVeilKeepsWhatCameEarly(t *testing.T) {
	ends := veils(t)
	for _, part := range []string{"v", "erdict", " and a frame"} {
		if _, err := ends[0].tls.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(ends[1].tls, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	// From here on the kernel's part is read by the veil: first what is still there.
	var rest bytes.Buffer
	ends[0].Conn.Close()
	io.Copy(&rest, ends[1].Conn)
	ends[1].raw = &trickle{rng: rand.New(rand.NewPCG(1, 2)), in: &rest, out: new(bytes.Buffer), most: 5}
	var got []byte
	for len(got) < len("erdict and a frame") {
		b := make([]byte, 100)
		n, err := ends[1].open(b)
		if err != nil && err != errAgain {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	if string(got) != "erdict and a frame" {
		t.Errorf("got %q", got)
	}
}

// A record that was changed on the way is an error for ever.
func TestVeilChanged(t *testing.T) {
	var there, back bytes.Buffer
	ends := veils(t)
	rng := rand.New(rand.NewPCG(1, 2))
	ends[0].raw = &trickle{rng: rng, in: &back, out: &there, most: 1 << 20}
	ends[1].raw = &trickle{rng: rng, in: &there, out: &back, most: 1 << 20}
	for ends[0].held == 0 && there.Len() == 0 {
		if _, err := ends[0].seal([][]byte{pattern(0, 100)}); err != nil {
			t.Fatal(err)
		}
	}
	for there.Len() < 100 {
		ends[0].flush()
	}
	there.Bytes()[50] ^= 4
	var err error = errAgain
	for err == errAgain {
		_, err = ends[1].open(make([]byte, 100))
	}
	if err == nil {
		t.Fatal("it was opened")
	}
	if _, again := ends[1].open(make([]byte, 100)); again == nil || again == errAgain {
		t.Errorf("after %v: %v", err, again)
	}
}
