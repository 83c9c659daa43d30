package sshconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Names looks host names up, each once.
type Names struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
	// lookup is the system's resolver, or a test's.
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)
}

// NewNames looks names up with lookup.
func NewNames(lookup func(ctx context.Context, name string) ([]netip.Addr, error)) *Names {
	return &Names{lookup: lookup}
}

// SystemLookup asks the system's resolver.
func SystemLookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

// Find is the addresses of a name, within the limit.
func (n *Names) Find(ctx context.Context, name string, limit time.Duration) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{a}, nil
	}
	n.mu.Lock()
	found, ok := n.known[name]
	n.mu.Unlock()
	if ok {
		return found, nil
	}
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := n.lookup(within, name)
	if err == nil && len(found) == 0 {
		err = errors.New("the name has no address")
	}
	var dns *net.DNSError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case within.Err() != nil:
		return nil, fmt.Errorf("the name server did not answer within %v", limit)
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil, errors.New("no such host")
	default:
		return nil, err
	}
	for i, a := range found {
		found[i] = a.Unmap()
	}
	n.mu.Lock()
	if n.known == nil {
		n.known = map[string][]netip.Addr{}
	}
	n.known[name] = found
	n.mu.Unlock()
	return found, nil
}

// Texts are the addresses of a name that has been looked up.
func (n *Names) Texts(name string) (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.known[name] {
		all = append(all, a.String())
	}
	return all
}
