package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconf"
	"gridrun/launcher/ssh/sshconn"
	"gridrun/launcher/ssh/sshkeys"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gridrun/launcher/place"
	"gridrun/launcher/relay"
	"gridrun/launcher/ship"
)

// runRelay is the test binary as `gridrun __relay`.
func runRelay() {
	if err := Relay(StandardStreams(), time.Minute); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// names of hosts that one sshd is under: all of 127 is this machine.
func treeHosts(s *sshd, n int) (hosts []place.Host) {
	for i := range n {
		host := fmt.Sprintf("127.0.1.%d", 50+i)
		hosts = append(hosts, place.Host{Name: host})
		f, err := os.OpenFile(s.known, os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			f.WriteString(knownLine(host, s.port, s.hostKey.PublicKey()))
			f.Close()
		}
	}
	return hosts
}

func newTreeSSHD(t *testing.T) *sshd {
	return newSSHD(t, "0.0.0.0", "MaxStartups 100")
}

// Hosts that are reached over one, two and three others; each agent works as if
// connected to directly, ends well, and nothing stays.
func TestTree(t *testing.T) {
	s := newTreeSSHD(t)
	hosts := treeHosts(s, 4)
	quiet(t)
	starter := s.starter(t, nil)
	for _, fanout := range []int{1, 2, 3, 0} {
		starter.Plan(hosts, fanout, time.Minute)
		agents := make([]*Agent, len(hosts))
		var all sync.WaitGroup
		for i, h := range hosts {
			all.Go(func() {
				a, err := starter.Start(context.Background(), h)
				if err != nil {
					t.Error(err)
					return
				}
				agents[i] = a.(*Agent)
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		small := filepath.Join(t.TempDir(), "small")
		write(t, small, fmt.Sprintf("#!/bin/sh\necho %d\n", fanout))
		in, err := ship.ReadFile(small, "in")
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range agents {
			if want := fanout > 0 && relay.Parent(i, fanout) != relay.Root; want != (len(a.Way()) > 0) {
				t.Errorf("fan-out %d: host %d goes through %v", fanout, i, a.Way())
			}
			say(t, a, "", "agent\n")
			say(t, a, strings.Repeat("x", 100_000)+"\n", strings.Repeat("x", 100_000)+"\n")
			paths, err := a.Ship(context.Background(), ship.Executable(small))
			if err != nil || len(paths) != 1 {
				t.Fatalf("%v, %v", paths, err)
			}
			if _, staged, err := a.Stage(context.Background(), fmt.Sprint("job", i), []ship.File{in}); err != nil || len(staged) != 1 {
				t.Fatalf("%v, %v", staged, err)
			}
			a.Unstage(context.Background(), fmt.Sprint("job", i))
		}
		// Those that others are reached through may end first.
		for _, a := range agents {
			end(t, a)
		}
		if starter.tree != nil && len(starter.tree.nodes) > 0 {
			t.Errorf("fan-out %d: %d nodes stay", fanout, len(starter.tree.nodes))
		}
	}
}

// What goes wrong behind a relay reads as it does in front of one, and names the way.
func TestTreeFails(t *testing.T) {
	s := newTreeSSHD(t)
	hosts := treeHosts(s, 2)
	quiet(t)
	starter := s.starter(t, nil)

	stranger := append([]place.Host{hosts[0]}, place.Host{Name: "127.0.1.99"})
	starter.Plan(stranger, 1, time.Minute)
	_, err := starter.Start(context.Background(), stranger[1])
	wants(t, err, "127.0.1.99", "from 127.0.1.50", "the host's key is not known", "ssh-keyscan")
	var key *sshkeys.HostKeyError
	if !errors.As(err, &key) {
		t.Errorf("%T", err)
	}

	refused := []place.Host{hosts[0], {Name: hosts[1].Name, User: "nobody"}}
	starter.Plan(refused, 1, time.Minute)
	_, err = starter.Start(context.Background(), refused[1])
	wants(t, err, hosts[1].Name, string(sshconn.StageAuth), "nobody was not let in", filepath.Join(s.dir, "id"))

	closed := []place.Host{hosts[0], {Name: hosts[1].Name, Port: 1}}
	starter.Plan(closed, 1, time.Minute)
	_, err = starter.Start(context.Background(), closed[1])
	wants(t, err, "connecting", "connection refused")

	behind := []place.Host{{Name: hosts[0].Name, Port: 1}, hosts[1]}
	starter.Plan(behind, 1, time.Minute)
	_, err = starter.Start(context.Background(), behind[1])
	wants(t, err, hosts[1].Name, "to be reached through "+hosts[0].Name, "connection refused")
	var whole *sshconn.Error
	if !errors.As(err, &whole) || whole.Culprit() != hosts[0].Name {
		t.Errorf("the culprit: %v", err)
	}

	// The connection on the way ends: so does what it carries, with its name.
	starter.Plan(hosts, 1, time.Minute)
	a, err := starter.Start(context.Background(), hosts[1])
	if err != nil {
		t.Fatal(err)
	}
	say(t, a, "", "agent\n")
	starter.tree.nodes[hosts[0].String()].held.conn.Close()
	if _, err := io.Copy(io.Discard, a); err != nil {
		t.Error(err)
	}
	wants(t, a.Wait(), "lost", "reached through "+hosts[0].Name)

	// Killed: Read ends at once.
	if a, err = starter.Start(context.Background(), hosts[1]); err != nil {
		t.Fatal(err)
	}
	a.Kill()
	io.Copy(io.Discard, a)
	a.Wait()

	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	cancel(why)
	if _, err := starter.Start(ctx, hosts[1]); !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}

// An inner host that is not honest gets no signature but of a proof of who the
// user is, for the user of this connection, and not many.
func TestOnlyProofsAreSigned(t *testing.T) {
	dir := t.TempDir()
	pair(t, filepath.Join(dir, "id"), "")
	h := sshconf.Hop{User: "me", Identities: []string{filepath.Join(dir, "id")}, Explicit: true}
	a := &answerer{hop: h}
	ask := func(data []byte) string {
		return a.answer(&relay.Message{Sign: &relay.Sign{Data: data}}).Sign.Error
	}
	type proof struct {
		Session               []byte
		Kind                  byte
		User, Service, Method string
		Signed                bool
		Algorithm             string
		Public                []byte
	}
	good := ssh.Marshal(proof{[]byte("session"), 50, "me", "ssh-connection", "publickey", true, "ssh-ed25519", []byte("key")})
	if ask(good) == "" {
		t.Error("signed before keys were asked for")
	}
	if keys := a.answer(&relay.Message{Keys: &relay.Keys{}}).Keys; len(keys.Public) != 1 {
		t.Fatalf("%+v", keys)
	}
	if why := ask(good); why != "" {
		t.Errorf("a proof is not signed: %s", why)
	}
	for _, bad := range [][]byte{
		nil, []byte("SSHSIG"), good[1:], append(good, 0),
		ssh.Marshal(proof{[]byte("session"), 51, "me", "ssh-connection", "publickey", true, "ssh-ed25519", nil}),
		ssh.Marshal(proof{[]byte("session"), 50, "root", "ssh-connection", "publickey", true, "ssh-ed25519", nil}),
		ssh.Marshal(proof{[]byte("session"), 50, "me", "other", "publickey", true, "ssh-ed25519", nil}),
		ssh.Marshal(proof{[]byte("session"), 50, "me", "ssh-connection", "hostbased", true, "ssh-ed25519", nil}),
	} {
		if ask(bad) == "" {
			t.Errorf("signed: %q", bad)
		}
	}
	for range maxSignatures {
		ask(good)
	}
	if ask(good) == "" {
		t.Error("signatures without end")
	}
	if why := a.answer(&relay.Message{Sign: &relay.Sign{Key: 7, Data: good}}).Sign.Error; why == "" {
		t.Error("a key that there is not")
	}
	if a.answer(&relay.Message{Push: &relay.Push{}}) != nil {
		t.Error("an answer to what needs none")
	}
}
