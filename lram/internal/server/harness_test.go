package server

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/fstest"

	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// hosts are servers in this process that reach each other over loopback.
type hosts struct {
	t       testing.TB
	list    []*testHost
	wrap    func(from, to int, c net.Conn) net.Conn // the dialer's end
	serving sync.WaitGroup
}

type testHost struct {
	all    *hosts
	number int
	server *Server
	listen net.Listener

	mu    sync.Mutex
	lost  bool
	conns []net.Conn
	errs  []error // of ServePeer
}

// startHosts starts n servers; stores gives what each sees.
func startHosts(t testing.TB, n int, stores func(host int) store.Store) *hosts {
	t.Helper()
	hs := &hosts{t: t}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		h := &testHost{all: hs, number: i, server: New(stores(i)), listen: l}
		hs.list = append(hs.list, h)
		hs.serving.Go(h.accept)
	}
	t.Cleanup(func() {
		for _, h := range hs.list {
			h.lose()
		}
		hs.serving.Wait()
		for _, h := range hs.list {
			if len(h.server.houses) != 0 {
				t.Errorf("host %d: %d caches stay", h.number, len(h.server.houses))
			}
		}
	})
	return hs
}

func (h *testHost) accept() {
	for {
		c, err := h.listen.Accept()
		if err != nil {
			return
		}
		h.all.serving.Go(func() {
			h.mu.Lock()
			h.conns = append(h.conns, c)
			h.mu.Unlock()
			if err := h.server.ServePeer(context.Background(), h.site(), c); err != nil {
				h.mu.Lock()
				h.errs = append(h.errs, err)
				h.mu.Unlock()
			}
		})
	}
}

// lose makes the host unreachable.
func (h *testHost) lose() {
	h.listen.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lost = true
	for _, c := range h.conns {
		c.Close()
	}
}

func (h *testHost) site() *Site {
	return &Site{
		Host: h.number,
		Name: func(n int) string { return fmt.Sprintf("node%d", n) },
		Dial: func(ctx context.Context, to int) (net.Conn, error) {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", h.all.list[to].listen.Addr().String())
			if err == nil && h.all.wrap != nil {
				c = h.all.wrap(h.number, to, c)
			}
			return c, err
		},
	}
}

// rank joins the cache as a rank of a host does.
func (h *testHost) rank(rank int, memory int64) (*client.Client, error) {
	mine, theirs := link.Pipe()
	h.all.serving.Go(func() {
		if err := h.server.Serve(context.Background(), h.site(), theirs); err != nil {
			h.all.t.Errorf("host %d: %v", h.number, err)
		}
	})
	hello := proto.Hello{Cache: "c", Rank: uint32(rank), Memory: memory}
	for i := range h.all.list {
		hello.Hosts = append(hello.Hosts, uint32(i))
	}
	return client.Dial(context.Background(), mine, hello)
}

const (
	small    = 64 << 10 // room that makes blocks of 8 KiB, two rows
	manyRows = 200
	rowBytes = 4096
)

// manyStore has an array of rows, row r all r.
func manyStore(int) store.Store {
	data := make([]byte, 0, manyRows*rowBytes)
	for r := range manyRows {
		data = append(data, bytes.Repeat([]byte{byte(r)}, rowBytes)...)
	}
	return store.Set{"mem": fstest.MapFS{
		"x.json": {Data: fmt.Appendf(nil, `{"path": "x.bin", "dtype": "uint8", "shape": [%d, %d]}`, manyRows, rowBytes)},
		"x.bin":  {Data: data},
	}}
}
