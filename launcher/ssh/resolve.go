package ssh

import (
	"context"
	"fmt"
	"gridrun/launcher/ssh/sshconn"
	"slices"
	"strings"
	"sync"

	"gridrun/launcher/place"
)

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
				_, err = s.names.Find(ctx, name, s.options.Deadlines.Resolve)
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
		return sshconn.OpenSSHName(ctx, s.options.Command, s.options.Config.Path, t, s.options.Deadlines.Resolve)
	}
	route, err := s.options.Config.Route(t)
	if err != nil {
		return "", err
	}
	return route[0].Host, nil
}
