package transporttest

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// Connect connects n processes, 0 to n-1; network i delivers to sinks[i].
type Connect func(t *testing.T, n int, sinks []transport.Sink) []transport.Network

// Run runs the suite.
func Run(t *testing.T, connect Connect) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, connect Connect)
	}{
		{"Order", testOrder},
		{"Sizes", testSizes},
		{"Drop", testDrop},
		{"PostFromSink", testPostFromSink},
		{"AllToAll", testAllToAll},
		{"ConcurrentPosters", testConcurrentPosters},
		{"BackPressure", testBackPressure},
		{"Kill", testKill},
		{"KillQueued", testKillQueued},
		{"CloseFlushes", testCloseFlushes},
		{"CloseTogether", testCloseTogether},
		{"CloseEndsPosts", testCloseEndsPosts},
		{"CloseLeavesNothing", testCloseLeavesNothing},
		{"SleepPingPong", testSleepPingPong},
		{"SleepWake", testSleepWake},
		{"SleepTimeout", testSleepTimeout},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, connect) })
	}
}

// frame returns a frame of the kind from process src to dst, its Seq being
// number and its Send the checksum of body.
func frame(kind wire.Kind, src, dst, number int, body []byte) *transport.Frame {
	f := &transport.Frame{Body: body}
	f.Kind = kind
	f.Src, f.Dst = int32(src), int32(dst)
	f.Seq = uint32(number)
	f.Recv = uint64(number)
	f.Len = uint64(len(body))
	f.Send = uint64(crc32.ChecksumIEEE(body))
	f.Op, f.Group, f.Elem, f.Credit = 3, 1<<63|uint64(number), 77, uint32(number)%5
	return f
}

// check looks at an event that came from frame.
func check(t *testing.T, e Event, src, dst int) {
	t.Helper()
	if e.From != src || int(e.Src) != src || int(e.Dst) != dst {
		t.Errorf("%v number %d from process %d: Src %d, Dst %d, want %d to %d", e.Kind, e.Seq, e.From, e.Src, e.Dst, src, dst)
	}
	if e.Op != 3 || e.Group != 1<<63|uint64(e.Seq) || e.Elem != 77 || e.Credit != e.Seq%5 || e.Recv != uint64(e.Seq) {
		t.Errorf("header changed on the way: %+v", e.Header)
	}
	if e.Send != uint64(crc32.ChecksumIEEE(e.Bytes)) {
		t.Errorf("%v number %d: the %d bytes that arrived are not those sent", e.Kind, e.Seq, len(e.Bytes))
	}
}

// checkOrder looks at all that came from src: numbers 0 to n-1, in order.
func checkOrder(t *testing.T, events []Event, src, dst, n int) {
	t.Helper()
	if len(events) != n {
		t.Errorf("%d frames from %d to %d, want %d", len(events), src, dst, n)
	}
	for i, e := range events {
		check(t, e, src, dst)
		if int(e.Seq) != i {
			t.Fatalf("frame %d from %d to %d has number %d", i, src, dst, e.Seq)
		}
	}
}

// noise returns n bytes that depend on seed.
func noise(n int, seed uint64) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b) // never fails
	return b
}
