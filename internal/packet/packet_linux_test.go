package packet

import (
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"gridrun/internal/wire"
)

func pair(t *testing.T) (a, b *Conn) {
	a, b, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessagesAndDescriptors(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	large := &wire.Welcome{Version: 1, Args: []string{strings.Repeat("x", 100_000)}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 200 {
			if err := a.Send(&wire.Lookup{Proc: i}, nil); err != nil {
				t.Error(err)
			}
		}
		if err := a.Send(large, w); err != nil {
			t.Error(err)
		}
		w.Close()
		a.Close()
	})
	for i := range 200 {
		m, f, err := b.Receive()
		if l, ok := m.(*wire.Lookup); !ok || l.Proc != i || f != nil || err != nil {
			t.Fatalf("packet %d: %v %v %v", i, m, f, err)
		}
	}
	m, f, err := b.Receive()
	if err != nil || f == nil || !reflect.DeepEqual(m, wire.Message(large)) {
		t.Fatalf("%v %v", f, err)
	}
	if _, err := f.WriteString("through"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	wg.Wait()
	if got, err := io.ReadAll(r); string(got) != "through" || err != nil {
		t.Fatalf("%q %v", got, err)
	}
	if _, _, err := b.Receive(); !errors.Is(err, io.EOF) {
		t.Fatalf("after the close: %v", err)
	}
}

func TestGarbageIsAnError(t *testing.T) {
	a, b := pair(t)
	if _, err := a.file.Write([]byte("\xffgarbage")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Receive(); !errors.Is(err, wire.ErrControl) {
		t.Fatal(err)
	}
	if err := a.Send(&wire.Beat{}, nil); err != nil {
		t.Fatal(err)
	}
	if m, _, err := b.Receive(); err != nil || reflect.TypeOf(m) != reflect.TypeFor[*wire.Beat]() {
		t.Fatalf("after garbage: %v %v", m, err)
	}
}

func TestCloseEndsReceive(t *testing.T) {
	_, b := pair(t)
	done := make(chan error)
	go func() {
		_, _, err := b.Receive()
		done <- err
	}()
	b.Close()
	if err := <-done; err == nil {
		t.Fatal("Receive returned without an error")
	}
}

func TestOpenRefusesOthers(t *testing.T) {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(int(f.Fd())); err == nil {
		t.Fatal("/dev/null was taken for a control socket")
	}
}
