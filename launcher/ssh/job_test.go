package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/ship"
	"gridrun/launcher/ssh/script"
)

// job is what an agent alone on its host is told to run.
func job(id string, words ...string) *wire.Start {
	return &wire.Start{
		Version: wire.Version, Job: id, Key: make([]byte, 32),
		Topology: wire.Topology{RankProc: []int{0}, RankApp: []int{0}, ProcHost: []int{0}, Hosts: []string{"one"}},
		Procs:    []wire.ProcSpec{{Ranks: []int{0}, Path: "/bin/sh", Args: append([]string{"-c"}, words...), Dir: "/"}},
	}
}

// follow talks to a real agent until its stream ends.
func follow(t *testing.T, a agents.Agent, start *wire.Start) (output string, exit wire.Exit, done bool) {
	t.Helper()
	defer time.AfterFunc(20*time.Second, a.Kill).Stop() // one that hangs fails
	s, err := wire.NewStream(a, a)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(start); err != nil {
		t.Fatal(err)
	}
	if err := s.Open(); err != nil {
		t.Fatalf("%v; the agent: %v", err, a.Wait())
	}
	for {
		m, err := s.Receive()
		if errors.Is(err, io.EOF) {
			return output, exit, done
		}
		if err != nil {
			t.Fatal(err)
		}
		switch m := m.(type) {
		case *wire.Output:
			output += string(m.Data)
		case *wire.Exit:
			exit = *m
			s.Send(&wire.Stop{}) // fails where the agent has left already
		case *wire.Done:
			done = true
		case *wire.Trouble:
			t.Fatalf("%s: %s", m.Stage, m.Text)
		}
	}
}

// gridrun's own agent, started over ssh, runs a rank.
func TestRealAgent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	wrapper := filepath.Join(t.TempDir(), "gridrun")
	write(t, wrapper, "#!/bin/sh\nexec "+self+" __real\n")
	s := newSSHD(t, "127.0.1.21")
	write(t, filepath.Join(s.home, ".bashrc"), "echo Welcome; printf @\n")
	quiet(t)
	eachWay(t, func(t *testing.T, command string) {
		starter := s.starter(t, func(o *Options) {
			o.Command = command
			o.Agent = ship.Built(script.AgentName, func(context.Context, ship.Platform) (string, error) { return wrapper, nil })
		})
		for i, c := range []struct {
			script, output string
			code           int
		}{
			{"echo rank $GRIDRUN_RANK of $GRIDRUN_SIZE, home $HOME", "rank 0 of 1, home " + s.home + "\n", 0},
			{"echo no; exit 9", "no\n", 9},
			{"head -c 3000000 /dev/zero | tr '\\0' x | wc -c", "3000000\n", 0},
		} {
			a, err := starter.Start(t.Context(), place.Host{Name: s.ip, User: "root", Port: s.port})
			if err != nil {
				t.Fatal(err)
			}
			output, exit, done := follow(t, a, job(fmt.Sprint("job", i), c.script))
			if output != c.output || exit.Code != c.code || !done {
				t.Errorf("%s: output %q, code %d, done %v", c.script, output, exit.Code, done)
			}
			if err := a.Wait(); err != nil {
				t.Errorf("%s: %v", c.script, err)
			}
		}
		// Cut off, the agent ends its ranks.
		a, err := starter.Start(t.Context(), place.Host{Name: s.ip})
		if err != nil {
			t.Fatal(err)
		}
		stream, err := wire.NewStream(a, a)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(job("cut", "echo $$; exec sleep 1000")); err != nil {
			t.Fatal(err)
		}
		pid := ""
		if err := stream.Open(); err != nil {
			t.Fatal(err)
		}
		for pid == "" {
			m, err := stream.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if o, ok := m.(*wire.Output); ok {
				pid = strings.TrimSpace(string(o.Data))
			}
		}
		a.Kill()
		io.Copy(io.Discard, a)
		a.Wait()
		gone(t, pid)
	})
}
