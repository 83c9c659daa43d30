package main

import (
	"net"
	"testing"
	"time"
)

// TestStreams: what is sent is what the other end counts, and streams end.
func TestStreams(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go answer(c)
		}
	}()
	for _, n := range []int{1, 3} {
		if rate, err := send(ln.Addr().String(), n, 10*time.Millisecond); err != nil || rate <= 0 {
			t.Errorf("%d streams: %v bytes a second, %v", n, rate, err)
		}
	}
	ln.Close()
	if _, err := send(ln.Addr().String(), 1, time.Millisecond); err == nil {
		t.Error("nobody listens, and no error")
	}
}
