package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"time"

	"gridrun/lram/format/array"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
)

// A script is a server that welcomes, waits for the first call, sends bytes whatever that was, and leaves.
func script(t testing.TB, welcome proto.Frame, bytes []byte) link.Link {
	t.Helper()
	region, err := memory.New(64 << 10)
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := link.Pipe()
	go func() {
		defer region.Close()
		defer theirs.Close()
		if _, _, err := theirs.Receive(); err != nil {
			return
		}
		b, err := proto.Append(nil, welcome)
		if err != nil || theirs.Share(b, region) != nil {
			return
		}
		r := bufio.NewReader(theirs)
		if _, err := proto.Read(r); err != nil {
			return
		}
		// What the client says from now on must be taken for it to go on.
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			io.Copy(io.Discard, r)
		}()
		theirs.Write(bytes)
		theirs.Close()
		<-drained
	}()
	return mine
}

func frames(t testing.TB, fs ...proto.Frame) (b []byte) {
	t.Helper()
	for _, f := range fs {
		var err error
		if b, err = proto.Append(b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

var welcome = &proto.Welcome{Version: proto.Version, Server: "s", Memory: 64 << 10}

func checkGoroutines(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
			}
		}
	})
}

func TestDialRefuses(t *testing.T) {
	checkGoroutines(t)
	for _, c := range []struct {
		welcome proto.Frame
		want    string
	}{
		{&proto.Welcome{Version: proto.Version, Error: "no memory"}, "no memory"},
		{&proto.Welcome{Version: proto.Version + 1}, "speaks version"},
		{&proto.Counted{}, "first frame"},
	} {
		if _, err := Dial(context.Background(), script(t, c.welcome, nil), proto.Hello{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.welcome, err, c.want)
		}
	}
	// A server that says nothing: ctx ends it.
	mine, theirs := link.Pipe()
	go theirs.Receive()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if _, err := Dial(ctx, mine, proto.Hello{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a silent server: %v", err)
	}
	theirs.Close()
}

// getTwo dials a script and gets two blocks of its array 1.
func getTwo(t testing.TB, bytes []byte) error {
	c, err := Dial(context.Background(), script(t, welcome, bytes), proto.Hello{})
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Get(context.Background(), 1, []int64{5, 6}, func(at int, data []byte, _ uint8) error {
		for i := range data {
			if data[i] != 0 {
				return errors.New("not zero")
			}
		}
		return nil
	})
	return err
}

// Whatever a server grants, the client reads nothing outside of the region.
func TestGrants(t *testing.T) {
	checkGoroutines(t)
	grant := func(at uint32, off, size int64) proto.Frame {
		return &proto.Granted{Request: 1, Position: at, Off: off, Size: size}
	}
	for _, c := range []struct {
		name   string
		frames []proto.Frame
		want   error
	}{
		{"good", []proto.Frame{grant(1, 0, 100), grant(0, 65535, 1)}, nil},
		{"beyond the region", []proto.Frame{grant(0, 65535, 2)}, proto.ErrMalformed},
		{"negative", []proto.Frame{grant(0, -1, 2)}, proto.ErrMalformed},
		{"huge", []proto.Frame{grant(0, 1<<62, 1<<62)}, proto.ErrMalformed},
		{"no such position", []proto.Frame{grant(2, 0, 1)}, proto.ErrMalformed},
		{"failed", []proto.Frame{grant(0, 0, 1), &proto.Failed{Request: 1, Kind: proto.NotExist, Text: "gone"}}, fs.ErrNotExist},
		{"another answer", []proto.Frame{&proto.Counted{Request: 1}}, proto.ErrMalformed},
		{"what only ranks send", []proto.Frame{&proto.Cancel{Request: 1}}, ErrLost},
		{"half", []proto.Frame{grant(0, 0, 1)}, ErrLost},
	} {
		if err := getTwo(t, frames(t, c.frames...)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCoordThatNeverEnds(t *testing.T) {
	checkGoroutines(t)
	c, err := Dial(context.Background(), script(t, welcome, nil), proto.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Coord(context.Background(), 1, 0); !errors.Is(err, ErrLost) {
		t.Errorf("a server that leaves: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Count(context.Background()); !errors.Is(err, ErrLost) {
		t.Errorf("a call after the end: %v", err)
	}
}

func TestCoordWithoutProgress(t *testing.T) {
	checkGoroutines(t)
	answer := frames(t, &proto.Values{Request: 1, Total: 5, Values: []float64{1}}, &proto.Values{Request: 2, Total: 5})
	c, err := Dial(context.Background(), script(t, welcome, answer), proto.Hello{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _, err = c.Coord(context.Background(), 1, 0)
	// The second answer may come before the second question, and is nobody's then.
	if !errors.Is(err, proto.ErrMalformed) && !errors.Is(err, ErrLost) {
		t.Errorf("%v", err)
	}
}

func FuzzServer(f *testing.F) {
	f.Add(frames(f, &proto.Granted{Request: 1, Position: 0, Off: 4096, Size: 10}, &proto.Failed{Request: 1, Text: "no"}))
	f.Add(frames(f, &proto.Granted{Request: 1, Position: 1, Off: -1, Size: 10}))
	f.Add([]byte{1, 0, 0, 0, 68})
	f.Fuzz(func(t *testing.T, b []byte) { getTwo(t, b) })
}

// fetchOne dials a script as the server of another host does, and fetches a block of 10 bytes.
func fetchOne(t testing.TB, bytes []byte) (dst []byte, err error) {
	c, err := DialPeer(context.Background(), script(t, welcome, bytes), proto.Hello{})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	dst = make([]byte, 10)
	how, err := c.Fetch(1, 5, dst)
	if err == nil && how != Waited {
		err = errors.New("found in another way")
	}
	return dst, err
}

// Whatever another host sends behind a Block, it fills what was asked for or it is an error.
func TestFetch(t *testing.T) {
	checkGoroutines(t)
	block := func(request uint32, size int64, payload string) []byte {
		return append(frames(t, &proto.Block{Request: request, Size: size, How: Waited}), payload...)
	}
	for _, c := range []struct {
		name  string
		bytes []byte
		want  error
	}{
		{"good", block(1, 10, "0123456789"), nil},
		{"cut", block(1, 10, "01234567"), ErrLost},
		{"too long", block(1, 11, "0123456789a"), ErrLost},
		{"too short", block(1, 9, "012345678"), ErrLost},
		{"negative", block(1, -1, ""), ErrLost},
		{"of another call", block(2, 10, "0123456789"), ErrLost},
		{"failed", frames(t, &proto.Failed{Request: 1, Kind: proto.NoVariable, Text: "no u"}), array.ErrNoVariable},
		{"another answer", frames(t, &proto.Counted{Request: 1}), proto.ErrMalformed},
		{"nothing", nil, ErrLost},
	} {
		dst, err := fetchOne(t, c.bytes)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if c.want == nil && string(dst) != "0123456789" {
			t.Errorf("%s: %q", c.name, dst)
		}
	}
}

func FuzzPeer(f *testing.F) {
	f.Add(append(frames(f, &proto.Block{Request: 1, Size: 10, How: Hit}), "0123456789"...))
	f.Add(frames(f, &proto.Failed{Request: 1, Text: "no"}))
	f.Add([]byte{1, 0, 0, 0, 71})
	f.Fuzz(func(t *testing.T, b []byte) { fetchOne(t, b) })
}
