package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

func TestHeaderRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for k := Eager; k < kindEnd; k++ {
		for range 100 {
			h := Header{Kind: k, Op: uint8(rng.Uint32()), Flags: uint16(rng.Uint32()), Src: rng.Int32(), Dst: rng.Int32(), Group: rng.Uint64(),
				Tag: int32(rng.Uint32()), Elem: rng.Uint32(), Len: rng.Uint64(), Send: rng.Uint64(), Recv: rng.Uint64(), Credit: rng.Uint32(), Seq: rng.Uint32()}
			switch k {
			case Eager:
				h.Body = uint32(rng.IntN(MaxBody + 1))
				h.Len = uint64(h.Body)
			case Data:
				h.Body = uint32(rng.IntN(MaxBody + 1))
				h.Len |= 1 << 40
				h.Off = h.Len - uint64(h.Body)
			}
			var b [HeaderSize]byte
			h.Encode(b[:])
			var got Header
			if err := got.Decode(b[:]); err != nil || got != h {
				t.Fatalf("%+v came back as %+v (%v)", h, got, err)
			}
		}
	}
}

// The encoding is a promise between builds of one Version.
func TestHeaderGolden(t *testing.T) {
	h := Header{Kind: Data, Op: 2, Flags: 0x0304, Body: 5, Src: 6, Dst: 7, Group: 8, Tag: -1, Elem: 9, Len: 0x1000, Off: 11, Send: 12, Recv: 13, Credit: 14, Seq: 15}
	const want = "0402040305000000" + "0600000007000000" + "0800000000000000" + "ffffffff09000000" +
		"0010000000000000" + "0b00000000000000" + "0c00000000000000" + "0d00000000000000" + "0e0000000f000000"
	var b [HeaderSize]byte
	h.Encode(b[:])
	if got := hex.EncodeToString(b[:]); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestHeaderRefuses(t *testing.T) {
	cases := map[string]Header{
		"kind 0":                      {},
		"kind":                        {Kind: kindEnd},
		"body of":                     {Kind: Data, Body: MaxBody + 1, Len: 1 << 30},
		"ranks -1":                    {Kind: CTS, Src: -1},
		"eager body of 3":             {Kind: Eager, Body: 3, Len: 4},
		"piece [5, +4)":               {Kind: Data, Off: 5, Body: 4, Len: 8},
		"piece [18446744073709551615": {Kind: Data, Off: ^uint64(0), Body: 4, Len: 8},
		"RTS with a body":             {Kind: RTS, Body: 1},
	}
	for want, h := range cases {
		var b [HeaderSize]byte
		h.Encode(b[:])
		var got Header
		if err := got.Decode(b[:]); !errors.Is(err, ErrFrame) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", h, err, want)
		}
	}
	var got Header
	if err := got.Decode(make([]byte, HeaderSize-1)); !errors.Is(err, ErrFrame) {
		t.Errorf("short header: %v", err)
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(make([]byte, HeaderSize))
	f.Add(bytes.Repeat([]byte{1}, HeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		var h Header
		if h.Decode(b) != nil {
			return
		}
		var again [HeaderSize]byte
		h.Encode(again[:])
		if !bytes.Equal(again[:], b[:HeaderSize]) {
			t.Fatalf("%x decodes and encodes to %x", b[:HeaderSize], again)
		}
	})
}

// filled returns m with every field set to something.
func filled(m Message) Message {
	var fill func(v reflect.Value, n int64)
	fill = func(v reflect.Value, n int64) {
		switch v.Kind() {
		case reflect.Bool:
			v.SetBool(true)
		case reflect.Int, reflect.Int32, reflect.Int64:
			v.SetInt(n)
		case reflect.Uint32, reflect.Uint64, reflect.Uint8:
			v.SetUint(uint64(n))
		case reflect.String:
			v.SetString("text")
		case reflect.Slice:
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				fill(v.Index(i), n+int64(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				fill(v.Field(i), n+int64(i))
			}
		}
	}
	fill(reflect.ValueOf(m).Elem(), 1)
	return m
}

func TestEveryMessageRoundTrips(t *testing.T) {
	for i, make := range messages {
		m := make()
		if int(m.kind()) != i+1 {
			t.Errorf("%T has kind %d at place %d: the order is the wire's", m, m.kind(), i+1)
		}
		for _, m := range []Message{m, filled(make())} {
			b, err := Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Unmarshal(b)
			if err != nil || !reflect.DeepEqual(got, m) {
				t.Errorf("%#v came back as %#v (%v)", m, got, err)
			}
		}
	}
}

func TestTooLargeIsRefused(t *testing.T) {
	if _, err := Marshal(&Output{Data: make([]byte, MaxControl)}); err == nil {
		t.Fatal("a message above MaxControl was encoded")
	}
	if _, err := Unmarshal(make([]byte, MaxControl+1)); !errors.Is(err, ErrControl) {
		t.Fatal(err)
	}
}

func FuzzUnmarshal(f *testing.F) {
	for _, make := range messages {
		b, err := Marshal(filled(make()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Unmarshal(b)
		if err == nil && m == nil {
			t.Fatal("neither message nor error")
		}
	})
}

// loopback is a stream whose two directions are buffers.
func stream(t *testing.T, input []byte) *Stream {
	s, err := NewStream(bytes.NewReader(input), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encoded(t testing.TB, ms ...Message) []byte {
	var b bytes.Buffer
	s, err := NewStream(nil, &b)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range ms {
		if err := s.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestStreamSkipsNoise(t *testing.T) {
	for _, noise := range []string{"", "Welcome to node7\n", "\x00gridru", "\x00\x00gridrun", Magic[:len(Magic)-1] + "x"} {
		s := stream(t, append([]byte(noise), encoded(t, &Want{Proc: 3, N: 4}, &Done{})...))
		if err := s.Open(); err != nil || string(s.Noise) != noise {
			t.Fatalf("after %q: %v, noise %q", noise, err, s.Noise)
		}
		m, err := s.Receive()
		if w, ok := m.(*Want); !ok || w.N != 4 || err != nil {
			t.Fatalf("%v %v", m, err)
		}
		if _, err := s.Receive(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Receive(); err != io.EOF {
			t.Fatalf("at the end: %v", err)
		}
	}
}

func TestStreamEnds(t *testing.T) {
	whole := encoded(t, &Notice{Text: "some text"})
	for n := range len(whole) {
		s := stream(t, whole[:n])
		err := s.Open()
		if err == nil {
			_, err = s.Receive()
		}
		switch {
		case err == nil:
			t.Fatalf("cut after %d bytes: no error", n)
		case n > len(Magic) && err != io.ErrUnexpectedEOF:
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
	}
	s := stream(t, bytes.Repeat([]byte("noise "), maxNoise))
	if err := s.Open(); !errors.Is(err, ErrControl) {
		t.Fatalf("nothing but noise: %v", err)
	}
	s = stream(t, append([]byte(Magic), 0xff, 0xff, 0xff, 0xff))
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Receive(); !errors.Is(err, ErrControl) {
		t.Fatalf("a length of 4 GiB: %v", err)
	}
}

func FuzzStream(f *testing.F) {
	f.Add(encoded(f, &Beat{}, &Exit{Code: 3}))
	f.Add([]byte("noise" + Magic + "\x01\x00\x00\x00\x08"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := stream(t, b)
		if s.Open() != nil {
			return
		}
		for {
			if _, err := s.Receive(); err != nil && !errors.Is(err, ErrControl) {
				return
			}
		}
	})
}
