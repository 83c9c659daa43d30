package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// readAll gets every block of x in an order of its own, half of them twice, and checks them.
func readAll(c *client.Client, seed uint64) (met [4]int, err error) {
	ctx := context.Background()
	number, d, err := c.Open(ctx, ref, small)
	if err != nil {
		return met, err
	}
	rows := d.Block[0]
	blocks := (manyRows + rows - 1) / rows
	r := rand.New(rand.NewPCG(seed, 1))
	order := r.Perm(blocks)
	order = append(order, order[:blocks/2]...)
	for len(order) > 0 {
		n := min(1+r.IntN(50), len(order))
		var ask []int64
		for _, b := range order[:n] {
			ask = append(ask, int64(b))
		}
		order = order[n:]
		_, err := c.Get(ctx, number, ask, func(at int, data []byte, how uint8) error {
			met[how&^client.Moved]++
			for i, b := range data {
				if want := byte(int(ask[at])*rows + i/rowBytes); b != want {
					return fmt.Errorf("block %d byte %d is %d, want %d", ask[at], i, b, want)
				}
			}
			return nil
		})
		if err != nil {
			return met, err
		}
	}
	return met, nil
}

// Each block is read once for the whole job however many hosts and ranks read it, and all get the right bytes.
func TestHostsReadOnce(t *testing.T) {
	for _, n := range []int{1, 2, 4, 16} {
		for _, ranks := range []int{1, 3} {
			t.Run(fmt.Sprintf("%d hosts of %d", n, ranks), func(t *testing.T) {
				noGoroutines(t)
				hs := startHosts(t, n, manyStore)
				var clients []*client.Client
				var met [4]int
				var mu sync.Mutex
				var reading sync.WaitGroup
				for i := range n * ranks {
					c, err := hs.list[i%n].rank(i, 16<<20)
					if err != nil {
						t.Fatal(err)
					}
					clients = append(clients, c)
					reading.Go(func() {
						m, err := readAll(c, uint64(i))
						if err != nil {
							t.Errorf("rank %d: %v", i, err)
						}
						mu.Lock()
						defer mu.Unlock()
						for how, k := range m {
							met[how] += k
						}
					})
				}
				reading.Wait()
				var decodes, read, moved int64
				for _, c := range clients[:n] {
					k, err := c.Count(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					decodes += k.Decodes
					read += k.Read
					moved += k.Moved
				}
				blocks := decodes
				if read != manyRows*rowBytes || moved != int64(n-1)*manyRows*rowBytes {
					t.Errorf("%d bytes read, %d moved; want %d and %d", read, moved, manyRows*rowBytes, (n-1)*manyRows*rowBytes)
				}
				asked := 0
				for _, k := range met {
					asked += k
				}
				if asked != n*ranks*int(blocks+blocks/2) || met[client.Missed] != int(blocks) || n == 1 && met[client.Remote] != 0 {
					t.Errorf("hits, waits, misses, remote hits: %v of %d blocks", met, blocks)
				}
				for _, c := range clients {
					c.Close()
				}
			})
		}
	}
}

// The least budgets there are: everything goes through, however often blocks must be fetched again.
func TestHostsTinyBudget(t *testing.T) {
	noGoroutines(t)
	hs := startHosts(t, 4, manyStore)
	var reading sync.WaitGroup
	for i := range 12 {
		reading.Go(func() {
			c, err := hs.list[i%4].rank(i, 64<<10)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			if _, err := readAll(c, uint64(i)); err != nil {
				t.Errorf("rank %d: %v", i, err)
			}
		})
	}
	reading.Wait()
}

// Hosts that see different files say so before anybody reads.
func TestHostsDiffer(t *testing.T) {
	noGoroutines(t)
	change := map[string]func(fstest.MapFS){
		"bytes": func(m fstest.MapFS) { m["x.json"] = &fstest.MapFile{Data: append(m["x.json"].Data, ' ')} },
		"time": func(m fstest.MapFS) {
			m["x.bin"] = &fstest.MapFile{Data: m["x.bin"].Data, ModTime: time.Unix(1700000000, 0)}
		},
		"gone": func(m fstest.MapFS) { delete(m, "x.json") },
	}
	for what, f := range change {
		hs := startHosts(t, 2, func(host int) store.Store {
			s := manyStore(host).(store.Set)
			if host == 1 {
				f(s["mem"].(fstest.MapFS))
			}
			return s
		})
		failed := 0
		for i, h := range hs.list {
			c, err := h.rank(i, 16<<20)
			if err != nil {
				t.Fatal(err)
			}
			number, _, err := c.Open(context.Background(), ref, small)
			if err == nil { // this host is the one the others compare with
				var all []int64
				for k := range int64(30) {
					all = append(all, k)
				}
				_, err = c.Get(context.Background(), number, all, ignore)
			}
			switch {
			case err == nil:
			case what != "gone" && strings.Contains(err.Error(), "host node0 has mem:x") && strings.Contains(err.Error(), "host node1 has mem:x"):
				failed++
			case what == "gone" && errors.Is(err, fs.ErrNotExist) && strings.Count(err.Error(), "mem:x.json") == 1 && (i == 1 || strings.Contains(err.Error(), "host node1: ")):
				failed++
			default:
				t.Errorf("%s, host %d: %v", what, i, err)
			}
			c.Close()
		}
		if failed == 0 {
			t.Errorf("%s: no host notices", what)
		}
	}
}

// Hosts ask each other for coordinates at the same moment; all ranks get them.
func TestCoordsAcrossHosts(t *testing.T) {
	noGoroutines(t)
	const dims = 6
	for range 20 {
		hs := startHosts(t, 2, func(int) store.Store {
			coords := ""
			for d := range dims {
				coords += fmt.Sprintf(`"dim%d": {"values": [%d], "unit": "m"},`, d, d)
			}
			return store.Set{"mem": fstest.MapFS{
				"x.json": {Data: []byte(`{"path": "x.bin", "dtype": "uint8", "shape": [1, 1, 1, 1, 1, 1], "coordinates": {` + strings.TrimSuffix(coords, ",") + `}}`)},
				"x.bin":  {Data: []byte{1}},
			}}
		})
		var asking sync.WaitGroup
		for i := range 4 {
			c, err := hs.list[i%2].rank(i, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			asking.Go(func() {
				defer c.Close()
				number, _, err := c.Open(context.Background(), ref, small)
				if err != nil {
					t.Error(err)
					return
				}
				for d := range dims {
					if i%2 == 1 {
						d = dims - 1 - d
					}
					if v, unit, err := c.Coord(context.Background(), number, uint32(d)); err != nil || len(v) != 1 || v[0] != float64(d) || unit != "m" {
						t.Errorf("dimension %d: %v %q %v", d, v, unit, err)
					}
				}
			})
		}
		asking.Wait()
	}
}

// An array that nobody has open any more is closed on every host.
func TestClosedEverywhere(t *testing.T) {
	noGoroutines(t)
	hs := startHosts(t, 3, manyStore)
	c, err := hs.list[0].rank(0, 16<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 3 {
		number, _, err := c.Open(context.Background(), ref, small)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Get(context.Background(), number, []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, ignore); err != nil {
			t.Fatal(err)
		}
		if err := c.CloseArray(number); err != nil {
			t.Fatal(err)
		}
		for _, h := range hs.list {
			open := func() (n int) {
				h.server.mu.Lock()
				defer h.server.mu.Unlock()
				for _, house := range h.server.houses {
					house.shelf.mu.Lock()
					for _, b := range house.shelf.byKey {
						n += b.users
					}
					house.shelf.mu.Unlock()
				}
				return n
			}
			for deadline := time.Now().Add(time.Minute); open() > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("host %d: still open", h.number)
				}
			}
		}
	}
}

// What no server of ours would send to another ends the session with an error.
func TestMalformedPeer(t *testing.T) {
	noGoroutines(t)
	hs := startHosts(t, 2, manyStore)
	h := hs.list[0]
	hello := &proto.Hello{Version: proto.Version, Cache: "c", Rank: 1, Memory: 1 << 20, Hosts: []uint32{0, 1}}
	open := &proto.Open{Request: 1, Ref: ref, Room: small}
	all := &proto.Get{Request: 2, Array: 1}
	for k := range int64(30) {
		all.Blocks = append(all.Blocks, k) // some of them are kept by the other
	}
	for name, frames := range map[string][]proto.Frame{
		"no hello":           {open},
		"not of this cache":  {&proto.Hello{Version: proto.Version, Cache: "d", Memory: 1 << 20, Hosts: []uint32{1, 2}}},
		"disorder":           {&proto.Hello{Version: proto.Version, Cache: "d", Memory: 1 << 20, Hosts: []uint32{1, 0}}},
		"blocks of others":   {hello, open, all},
		"release":            {hello, &proto.Release{Request: 4, Positions: []uint32{0}}},
		"what servers send":  {hello, &proto.Block{}},
		"closed, never open": {hello, &proto.Close{Array: 1}},
	} {
		mine, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- h.server.ServePeer(context.Background(), h.site(), theirs) }()
		answers := make(chan proto.Frame, 100)
		go func() {
			defer close(answers)
			l := link.Stream(mine)
			for {
				f, _, err := l.Receive()
				if err != nil {
					return
				}
				answers <- f
			}
		}()
		refused := false
		for _, f := range frames {
			b, err := proto.Append(nil, f)
			if err != nil {
				t.Fatal(err)
			}
			mine.Write(b)
			if f == frames[len(frames)-1] {
				break
			}
			<-answers
		}
		if len(frames) == 1 && frames[0] != proto.Frame(open) {
			w, ok := (<-answers).(*proto.Welcome)
			refused = ok && w.Error != ""
		}
		if !refused {
			if err := <-done; !errors.Is(err, proto.ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
			mine.Close()
			continue
		}
		mine.Close()
		<-done
	}
}

// Blocks spread evenly over any number of hosts, whatever the stride.
func TestSpread(t *testing.T) {
	const blocks = 4000
	for _, n := range []int{1, 2, 3, 4, 5, 8, 16, 93} {
		for _, stride := range []int64{1, 2, int64(n) - 1, int64(n), int64(n) + 1, 37} {
			if stride < 1 {
				continue
			}
			count := make([]int, n)
			for k := range int64(blocks) {
				count[spread(placeOf([]proto.File{{Name: "a", Size: 5}}, "u"), k*stride, n)]++
			}
			mean := blocks / n
			for h, k := range count {
				if k < mean/2 || k > mean*3/2+1 {
					t.Errorf("%d hosts, stride %d: host %d keeps %d blocks of %d", n, stride, h, k, blocks)
				}
			}
		}
	}
	if placeOf([]proto.File{{Name: "a", Size: 5}}, "u") == placeOf([]proto.File{{Name: "a", Size: 6}}, "u") {
		t.Error("the place does not know the size")
	}
}

// Whatever another host sends, it gets an end or answers.
func FuzzPeerSession(f *testing.F) {
	var seed []byte
	for _, fr := range []proto.Frame{
		&proto.Open{Request: 1, Ref: ref}, &proto.Get{Request: 2, Array: 1, Blocks: []int64{0}}, &proto.Cancel{Request: 2}, &proto.Close{Array: 1},
	} {
		seed, _ = proto.Append(seed, fr)
	}
	f.Add(seed)
	f.Add([]byte{0, 0, 0, 0})
	hs := startHosts(f, 1, manyStore)
	f.Fuzz(func(t *testing.T, b []byte) {
		mine, theirs := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- hs.list[0].server.ServePeer(context.Background(), hs.list[0].site(), theirs) }()
		hello, err := proto.Append(nil, &proto.Hello{Version: proto.Version, Cache: fmt.Sprint(rand.Uint64()), Memory: 64 << 10, Hosts: []uint32{0}})
		if err != nil {
			t.Fatal(err)
		}
		drained := make(chan struct{})
		go func() {
			defer close(drained)
			buf := make([]byte, 1<<16)
			for {
				if _, err := mine.Read(buf); err != nil {
					return
				}
			}
		}()
		mine.Write(hello)
		mine.Write(b)
		mine.Close()
		<-done
		<-drained
	})
}
