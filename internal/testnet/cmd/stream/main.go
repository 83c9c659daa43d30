// Command stream measures what bare TCP streams carry from one host to another: the
// limit that links.sh shows beside gridrun's figures.
//
//	stream -listen :7777                       takes streams until killed
//	stream -to node2:7777 -n 4 -for 2s         four at once, for two seconds
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", "", "`address` to take streams at")
	to := flag.String("to", "", "`address` to send to")
	n := flag.Int("n", 1, "streams at once")
	long := flag.Duration("for", time.Second, "how long")
	flag.Parse()
	err := fmt.Errorf("say either -listen or -to")
	switch {
	case *listen != "":
		err = serve(*listen)
	case *to != "":
		var rate float64
		if rate, err = send(*to, *n, *long); err == nil {
			fmt.Printf("%d bare streams: %.1f MB/s\n", *n, rate/1e6)
			return
		}
	}
	fmt.Fprintln(os.Stderr, "stream:", err)
	os.Exit(1)
}

// serve answers each stream with the number of bytes it has brought.
func serve(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go answer(c)
	}
}

func answer(c net.Conn) {
	defer c.Close()
	// Through a buffer: the kernel must not move the bytes past us.
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c}, make([]byte, 1<<20))
	if err == nil {
		c.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	}
}

// send returns the bytes a second that arrived at addr, by n streams.
func send(addr string, n int, long time.Duration) (float64, error) {
	began := time.Now()
	var wg sync.WaitGroup
	bytes, errs := make([]uint64, n), make([]error, n)
	for i := range n {
		wg.Go(func() { bytes[i], errs[i] = sendOne(addr, began.Add(long)) })
	}
	wg.Wait()
	var sum uint64
	for i := range n {
		if errs[i] != nil {
			return 0, errs[i]
		}
		sum += bytes[i]
	}
	return float64(sum) / time.Since(began).Seconds(), nil
}

func sendOne(addr string, end time.Time) (uint64, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for buf := make([]byte, 256<<10); time.Now().Before(end); {
		if _, err := c.Write(buf); err != nil {
			return 0, err
		}
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	var told [8]byte
	_, err = io.ReadFull(c, told[:])
	return binary.LittleEndian.Uint64(told[:]), err
}
