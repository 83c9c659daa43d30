package output

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"
)

// TestPatient: a pipe that is made non-blocking behind our back loses nothing.
func TestPatient(t *testing.T) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(p[0]), "r"), os.NewFile(uintptr(p[1]), "w")
	defer r.Close()
	if err := syscall.SetNonblock(p[1], true); err != nil { // after NewFile has looked
		t.Fatal(err)
	}
	if n, err := w.Write(make([]byte, 1<<20)); err == nil {
		t.Fatalf("all of %d bytes went in: not the case that this is about", n)
	}
	text := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(r)
		got <- b
	}()
	n, err := Patient{w}.Write(text)
	w.Close()
	if b := <-got; n != len(text) || err != nil || !bytes.HasSuffix(b, text) {
		t.Errorf("%d bytes of %d written, %v; %d came", n, len(text), err, len(b))
	}
	if _, err := (Patient{w}).Write(text); err == nil {
		t.Error("a closed file can be written")
	}
}
