package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/internal/needs"
	"gridrun/launcher/place"
)

func hosts(names ...string) (list []place.Host) {
	for _, n := range names {
		list = append(list, place.Host{Name: n})
	}
	return list
}

// loadConfig parses text as the user's only configuration.
func loadConfig(t *testing.T, text string) *sshconf.Config {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config")
	write(t, file, text)
	c, err := sshconf.LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestResolve(t *testing.T) {
	quiet(t)
	c := loadConfig(t, "Host alias\n  HostName real\nHost behind\n  ProxyJump gate\nHost lost\n  HostName nowhere.example\n")
	s, err := New(Options{Agent: agentBinary, Config: c, Deadlines: sshconn.Deadlines{Resolve: 100 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	asked := map[string]int{}
	s.names = sshconn.NewNames(func(ctx context.Context, name string) ([]netip.Addr, error) {
		mu.Lock()
		asked[name]++
		mu.Unlock()
		switch name {
		case "real", "gate", "good":
			return []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.1")}, nil
		case "silent":
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	})
	if err := s.Resolve(t.Context(), hosts("alias", "behind", "me@good", "10.1.2.3", "::1")); err != nil {
		t.Error(err)
	}
	if asked["real"] != 1 || asked["gate"] != 1 || asked["good"] != 1 || len(asked) != 3 {
		t.Errorf("asked for %v", asked)
	}
	if found, err := s.names.Find(t.Context(), "real", time.Second); err != nil || found[0].String() != "10.0.0.1" || asked["real"] != 1 {
		t.Errorf("a second time: %v, %v, %v", found, err, asked)
	}
	err = s.Resolve(t.Context(), hosts("bad1", "good", "bad2", "lost", "silent", "me@bad3"))
	wants(t, err, "5 of 6 hosts cannot be found", "bad1, bad2, lost (nowhere.example), me@bad3: no such host", "silent: the name server did not answer within 100ms")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := s.Resolve(ctx, hosts("bad1")); !errors.Is(err, why) {
		t.Error(err)
	}
}

// All names are looked up at the same time, and the wait is that of one.
func TestResolveIsParallel(t *testing.T) {
	s, err := New(Options{Agent: agentBinary, Config: loadConfig(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	const n = 32
	var waiting atomic.Int32
	all := make(chan struct{})
	s.names = sshconn.NewNames(func(ctx context.Context, name string) ([]netip.Addr, error) {
		if waiting.Add(1) == n {
			close(all)
		}
		select {
		case <-all:
		case <-ctx.Done():
		}
		return nil, fmt.Errorf("no %s", name)
	})
	var names []string
	for i := range n {
		names = append(names, fmt.Sprint("host", i))
	}
	if err := s.Resolve(t.Context(), hosts(names...)); strings.Count(err.Error(), "no host") != n {
		t.Error(err)
	}
}

func TestResolveByOpenSSH(t *testing.T) {
	needs.Command(t, "ssh", "openssh-client")
	// What x/crypto's way does not read is OpenSSH's own business.
	config := &sshconf.Config{Path: filepath.Join(t.TempDir(), "config")}
	write(t, config.Path, "Match originalhost alias\n  HostName real\nHost behind\n  ProxyCommand nc %h %p\n")
	s, err := New(Options{Agent: agentBinary, Config: config, Command: "ssh"})
	if err != nil {
		t.Fatal(err)
	}
	s.names = sshconn.NewNames(func(_ context.Context, name string) ([]netip.Addr, error) {
		return nil, fmt.Errorf("asked for %s", name)
	})
	wants(t, s.Resolve(t.Context(), hosts("alias", "behind", "plain")), "2 of 3 hosts", "alias (real): asked for real", "plain: asked for plain")
}
