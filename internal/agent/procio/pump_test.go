package procio

import (
	"os"
	"sync"
	"testing"
	"time"
)

func TestPump(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c := NewCredit(10)
	got := make(chan []byte, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&Pump{r, c, func(b []byte) { got <- b }}).Run()
	}()
	w.WriteString("0123456789abcdef")
	if b := string(<-got); b != "0123456789" {
		t.Errorf("got %q for credit 10", b)
	}
	c.Give(0)
	c.Give(-5)
	c.Give(4)
	if b := string(<-got); b != "abcd" {
		t.Errorf("got %q for credit 4", b)
	}
	// The deadline: what is in the pipe comes, as credit allows, and no more.
	r.SetReadDeadline(time.Now())
	c.Give(1)
	if b := string(<-got); b != "e" {
		t.Errorf("got %q for credit 1", b)
	}
	c.Give(100)
	if b := string(<-got); b != "f" {
		t.Errorf("got %q, want the rest", b)
	}
	<-ended
	if c.left != 99 {
		t.Errorf("credit %d left, want 99", c.left)
	}
}

// TestPumpsDrainTogether: pumps whose processes have ended share little credit, and
// none leaves anything in its pipe because another was faster.
func TestPumpsDrainTogether(t *testing.T) {
	const pumps, size = 8, 5000
	c := NewCredit(3)
	var all sync.WaitGroup
	var got [pumps]int
	for i := range got {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close() // held open, as by a process that was left behind
		if _, err := w.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		r.SetReadDeadline(time.Now())
		all.Go(func() {
			(&Pump{r, c, func(b []byte) {
				got[i] += len(b)
				c.Give(len(b))
			}}).Run()
		})
	}
	all.Wait()
	for i, n := range got {
		if n != size {
			t.Errorf("pump %d sent %d of %d bytes", i, n, size)
		}
	}
}

func TestPumpEndsWithCredit(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	c := NewCredit(0)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&Pump{r, c, func(b []byte) { t.Errorf("%q without credit", b) }}).Run()
	}()
	w.WriteString("x")
	c.Close()
	<-ended
}
