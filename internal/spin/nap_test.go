package spin

import (
	"testing"
	"time"
)

func TestNapEnds(t *testing.T) {
	var over uint32
	began := time.Now()
	Nap(&over, time.Millisecond)
	if took := time.Since(began); took < time.Millisecond/2 {
		t.Fatalf("a nap of 1 ms took %v", took)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		Nap(&over, time.Minute)
		Nap(&over, time.Minute)
	}()
	EndNaps(&over)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the naps go on")
	}
}
