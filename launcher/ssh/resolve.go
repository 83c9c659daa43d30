package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"gridrun/launcher/place"
)

// names looks host names up, each once.
type names struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
	// lookup is the system's resolver, or a test's.
	lookup func(ctx context.Context, name string) ([]netip.Addr, error)
}

func systemLookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name)
}

func (n *names) find(ctx context.Context, name string, limit time.Duration) ([]netip.Addr, error) {
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

// texts are the addresses of a name that has been looked up.
func (n *names) texts(name string) (all []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.known[name] {
		all = append(all, a.String())
	}
	return all
}

// Resolve looks up what has to be found for all hosts, in parallel and before
// anything is connected. One error lists every name that is not found.
func (s *Starter) Resolve(ctx context.Context, hosts []place.Host) error {
	type result struct {
		name string // looked up
		err  error
	}
	results := make([]result, len(hosts))
	limit := make(chan struct{}, max(s.options.Parallel, 1))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			name, err := s.firstName(ctx, h)
			if err == nil && name != "" {
				_, err = s.names.find(ctx, name, s.options.Deadlines.Resolve)
			}
			results[i] = result{name, err}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var lines []string
	why := map[string][]string{}
	var order []string
	for i, r := range results {
		if r.err == nil {
			continue
		}
		text := r.err.Error()
		if _, ok := why[text]; !ok {
			order = append(order, text)
		}
		name := hosts[i].Name
		if r.name != "" && r.name != name && !strings.HasSuffix(name, "@"+r.name) {
			name += " (" + r.name + ")"
		}
		if !slices.Contains(why[text], name) {
			why[text] = append(why[text], name)
		}
	}
	if len(order) == 0 {
		return nil
	}
	count := 0
	for _, text := range order {
		count += len(why[text])
		lines = append(lines, strings.Join(why[text], ", ")+": "+text)
	}
	return fmt.Errorf("%d of %d hosts cannot be found: %s; check their spelling in the host list and HostName in ~/.ssh/config", count, len(hosts), strings.Join(lines, "; "))
}

// firstName is the name that must be found to reach h: its own, or that of the
// first host to jump over. "" where only OpenSSH can tell.
func (s *Starter) firstName(ctx context.Context, h place.Host) (string, error) {
	t, err := s.target(h)
	if err != nil {
		return "", err
	}
	if s.options.Command != "" {
		return s.opensshName(ctx, t)
	}
	route, err := s.options.Config.Route(t)
	if err != nil {
		return "", err
	}
	return route[0].Host, nil
}
