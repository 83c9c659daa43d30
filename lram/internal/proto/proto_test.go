package proto

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"reflect"
	"testing"
)

// One of each frame, with the bytes that it has on the wire.
var golden = []struct {
	frame Frame
	hex   string
}{
	{&Hello{1, "c", 2, 3, 4, []uint32{0, 5}}, "2a000000" + "01" + "01000000" + "0100000063" + "02000000" + "0300000000000000" + "0400000000000000" + "02000000" + "00000000" + "05000000"},
	{&Open{5, "a#b", 6}, "14000000" + "02" + "05000000" + "03000000612362" + "0600000000000000"},
	{&Close{6}, "05000000" + "03" + "06000000"},
	{&Coord{1, 2, 3, 4}, "15000000" + "04" + "01000000" + "02000000" + "03000000" + "0400000000000000"},
	{&Get{1, 2, []int64{3, -1}}, "1d000000" + "05" + "01000000" + "02000000" + "02000000" + "0300000000000000" + "ffffffffffffffff"},
	{&Release{1, []uint32{7}}, "0d000000" + "06" + "01000000" + "01000000" + "07000000"},
	{&Cancel{9}, "05000000" + "07" + "09000000"},
	{&Prefetch{1, []int64{}}, "09000000" + "08" + "01000000" + "00000000"},
	{&Count{1}, "05000000" + "09" + "01000000"},
	{&Welcome{1, "s", 2, ""}, "16000000" + "41" + "01000000" + "0100000073" + "0200000000000000" + "00000000"},
	{&Opened{1, 2, []byte("xy")}, "0f000000" + "42" + "01000000" + "02000000" + "020000007879"},
	{&Values{1, 2, "m", []float64{1}}, "1e000000" + "43" + "01000000" + "0200000000000000" + "010000006d" + "01000000" + "000000000000f03f"},
	{&Granted{1, 2, 3, 4, 2}, "1a000000" + "44" + "01000000" + "02000000" + "0300000000000000" + "0400000000000000" + "02"},
	{&Counted{1, 2, 3, 4, 5, 6}, "2d000000" + "45" + "01000000" + "0200000000000000" + "0300000000000000" + "0400000000000000" + "0500000000000000" + "0600000000000000"},
	{&Failed{1, NotExist, "no"}, "0c000000" + "46" + "01000000" + "01" + "020000006e6f"},
	{&Block{1, 2, 3, 1}, "12000000" + "47" + "01000000" + "02000000" + "0300000000000000" + "01"},
}

func TestGolden(t *testing.T) {
	var stream []byte
	for _, g := range golden {
		b, err := Append(nil, g.frame)
		if err != nil {
			t.Errorf("%T: %v", g.frame, err)
			continue
		}
		if got := hex.EncodeToString(b); got != g.hex {
			t.Errorf("%T is %s on the wire, want %s", g.frame, got, g.hex)
		}
		stream = append(stream, b...)
	}
	r := bufio.NewReader(bytes.NewReader(stream))
	for _, g := range golden {
		f, err := Read(r)
		if err != nil || !reflect.DeepEqual(f, g.frame) {
			t.Errorf("read %+v, %v; want %+v", f, err, g.frame)
		}
	}
	if _, err := Read(r); err != io.EOF {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	// A stream that ends anywhere else says so.
	for n := 1; n < len(stream); n++ {
		r := bufio.NewReader(bytes.NewReader(stream[:n]))
		var err error
		for err == nil {
			_, err = Read(r)
		}
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

func TestEveryFieldIsNeeded(t *testing.T) {
	for _, g := range golden {
		b, _ := Append(nil, g.frame)
		for n := range len(b) - 4 {
			if f, err := Decode(b[4 : 4+n]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%T cut to %d bytes is %v, %v", g.frame, n, f, err)
			}
		}
		if _, err := Decode(append(b[4:], 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%T with a byte too many: %v", g.frame, err)
		}
	}
}

func TestBounds(t *testing.T) {
	if _, err := Append(nil, &Get{Blocks: make([]int64, MaxBlocks+1)}); err == nil {
		t.Error("a Get of too many blocks is sent")
	}
	if _, err := Append(nil, &Open{Ref: string(make([]byte, MaxFrame))}); err == nil {
		t.Error("a frame that is too long is sent")
	}
	for _, b := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff"} {
		if _, err := Read(bufio.NewReader(bytes.NewReader([]byte(b)))); !errors.Is(err, ErrMalformed) {
			t.Errorf("length % x: %v", b, err)
		}
	}
}

// Whatever arrives: an error, or a frame that means the same when it is sent on.
func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		b, _ := Append(nil, g.frame)
		f.Add(b[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Append(nil, frame)
		if err != nil {
			t.Fatalf("%+v: %v", frame, err)
		}
		if !bytes.Equal(again[4:], b) {
			t.Fatalf("% x became % x", b, again[4:])
		}
	})
}
