package server

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/bits"
	"net"
	"slices"

	"gridrun/lram/internal/cache"
	"gridrun/lram/internal/proto"
)

// A Site is where in the job a server is.
type Site struct {
	Host int                                                   // this host's number
	Name func(host int) string                                 // for messages
	Dial func(ctx context.Context, host int) (net.Conn, error) // to the server of another host
}

// Alone is the site of a server that no other host knows.
func Alone() *Site { return &Site{Name: func(int) string { return "localhost" }} }

// home is the host that keeps a block of an array: it alone reads it from storage. Blocks are spread by a hash, so that no stride
// of the program's meets always the same hosts, as it can when they are dealt out in turn.
func (h *house) home(b *book, block int64) int { return h.hosts[spread(b.place, block, len(h.hosts))] }

// homeOfCoord is the host that reads the coordinate of a dimension.
func (h *house) homeOfCoord(b *book, dim int) int { return h.home(b, -1-int64(dim)) }

// spread maps a block of the array with a place to one of n.
func spread(place uint64, block int64, n int) int {
	// The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): every bit of the input changes half of the output's.
	z := place + uint64(block)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	high, _ := bits.Mul64(z, uint64(n))
	return int(high)
}

// placeOf is a number of an array in a state, the same on all hosts that have the same file.
func placeOf(files []proto.File, name string) uint64 {
	h := fnv.New64a()
	for _, f := range files {
		fmt.Fprintf(h, "%s\x00%d\x00%d\x00", f.Name, f.Size, f.MTime)
	}
	h.Write([]byte(name))
	return h.Sum64()
}

// witness is the host with which all others compare what a reference leads to.
func (h *house) witness(ref string) int {
	f := fnv.New64a()
	f.Write([]byte(ref))
	return h.hosts[spread(f.Sum64(), 0, len(h.hosts))]
}

// find says which cache a block goes through, and how it gets there.
func (h *house) find(b *book, block int64) (*cache.Cache, cache.Load) {
	if home := h.home(b, block); home != h.site.Host {
		return h.copies, h.peers[home].load(b, block)
	}
	return h.blocks, b.load(block)
}

// settle checks the hosts that a Hello names; none means that this one is alone.
func (s *Site) settle(hello *proto.Hello) ([]int, error) {
	if len(hello.Hosts) == 0 {
		return []int{s.Host}, nil
	}
	hosts := make([]int, len(hello.Hosts))
	for i, h := range hello.Hosts {
		if hosts[i] = int(h); i > 0 && hosts[i] <= hosts[i-1] {
			return nil, fmt.Errorf("%w: hosts %v", proto.ErrMalformed, hello.Hosts)
		}
	}
	if !slices.Contains(hosts, s.Host) {
		return nil, fmt.Errorf("%w: hosts %v, and this is host %d", proto.ErrMalformed, hello.Hosts, s.Host)
	}
	if len(hosts) > 1 && s.Dial == nil {
		return nil, fmt.Errorf("host %s does not know the others of this cache", s.Name(s.Host))
	}
	return hosts, nil
}
