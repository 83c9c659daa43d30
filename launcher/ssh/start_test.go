package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gridrun/internal/needs"
	"gridrun/launcher/agents"
	"gridrun/launcher/place"
	"gridrun/launcher/ship"
)

// ways are both ways to connect.
var ways = []string{"", "ssh"}

func eachWay(t *testing.T, test func(t *testing.T, command string)) {
	for _, way := range ways {
		name := way
		if way == "" {
			name = "native"
		} else {
			needs.Command(t, "ssh", "openssh-client")
		}
		t.Run(name, func(t *testing.T) { test(t, way) })
	}
}

func TestStart(t *testing.T) {
	s := newSSHD(t, "127.0.1.1")
	quiet(t)
	eachWay(t, func(t *testing.T, command string) {
		os.RemoveAll(filepath.Join(s.home, ".cache"))
		var told notices
		var sent atomic.Int64
		starter := s.starter(t, func(o *Options) {
			o.Command = command
			o.Notice = told.add
			o.Progress = func(_ string, done, _ int64) { sent.Store(done) }
		})
		agent := use(t, starter, s)
		if agent.Dir != filepath.Join(s.home, ".cache", "gridrun") || agent.Platform != ship.Here() {
			t.Errorf("directory %s, platform %v", agent.Dir, agent.Platform)
		}
		f, _ := agentBinary(t.Context(), ship.Here())
		if sent.Load() != f.Size {
			t.Errorf("%d bytes sent of %d", sent.Load(), f.Size)
		}
		sent.Store(0)
		use(t, starter, s)
		if sent.Load() != 0 {
			t.Error("the second start sent the agent again")
		}
		if told.String() != "" {
			t.Errorf("notices: %s", told.String())
		}
		slow := starter.Slowest(5)
		if len(slow) != 2 || slow[0].Total < slow[1].Total || slow[0].Host != s.ip {
			t.Errorf("slowest: %v", slow)
		}
	})
}

func TestAgentEnds(t *testing.T) {
	s := newSSHD(t, "127.0.1.2")
	quiet(t)
	eachWay(t, func(t *testing.T, command string) {
		starter := s.starter(t, func(o *Options) { o.Command = command })
		start := func() *Agent {
			a, err := starter.Start(t.Context(), place.Host{Name: s.ip})
			if err != nil {
				t.Fatal(err)
			}
			say(t, a, "", "agent\n")
			return a.(*Agent)
		}
		failed := start()
		say(t, failed, "fail\n", "")
		io.Copy(io.Discard, failed)
		wants(t, failed.Wait(), "exit status 7", "something broke")

		killed := start()
		read := make(chan error)
		go func() {
			_, err := io.Copy(io.Discard, killed)
			read <- err
		}()
		killed.Kill()
		if err := <-read; err != nil {
			t.Errorf("reading from a killed agent: %v", err)
		}
		if err := killed.Wait(); !errors.Is(err, agents.ErrCut) {
			t.Errorf("a killed agent's end: %v", err)
		}
	})
}

func TestNoiseBeforeTheAgent(t *testing.T) {
	// With an external SFTP server the login shell's files run before that too.
	server := "/usr/lib/openssh/sftp-server"
	if _, err := os.Stat(server); err != nil {
		needs.Command(t, "sftp-server", "openssh-sftp-server")
	}
	s := newSSHD(t, "127.0.1.3", "Subsystem sftp "+server)
	write(t, filepath.Join(s.home, ".bashrc"), "echo Welcome to the cluster\nprintf 'no newline: '\necho oops >&2\n")
	quiet(t)
	eachWay(t, func(t *testing.T, command string) {
		os.RemoveAll(filepath.Join(s.home, ".cache"))
		starter := s.starter(t, func(o *Options) { o.Command = command })
		use(t, starter, s) // ships
		use(t, starter, s)
	})
}

func TestManyAtOnce(t *testing.T) {
	s := newSSHD(t, "127.0.1.4", "MaxStartups 10:30:100")
	quiet(t)
	starter := s.starter(t, nil)
	use(t, starter, s)
	const n = 16
	var all sync.WaitGroup
	errs := make(chan error, n)
	began := time.Now()
	agents := make([]*Agent, n)
	for i := range n {
		all.Go(func() {
			a, err := starter.Start(t.Context(), place.Host{Name: s.ip})
			if err != nil {
				errs <- err
				return
			}
			agents[i] = a.(*Agent)
		})
	}
	all.Wait()
	t.Logf("%d agents in %v", n, time.Since(began))
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	for _, a := range agents {
		if a != nil {
			say(t, a, "", "agent\n")
			end(t, a)
		}
	}
}

func TestJump(t *testing.T) {
	inner, outer := newSSHD(t, "127.0.1.5"), newSSHD(t, "127.0.1.6")
	quiet(t)
	config := filepath.Join(t.TempDir(), "config")
	write(t, config, fmt.Sprintf(`
Host inner*
  HostName %s
  Port %d
  IdentityFile %s
  ProxyJump outer
Host outer
  HostName %s
  Port %d
  IdentityFile %s
Host *
  User root
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile %s %s
`, inner.ip, inner.port, filepath.Join(inner.dir, "id"), outer.ip, outer.port, filepath.Join(outer.dir, "id"), inner.known, outer.known))
	inner.config = config
	inner.ip = "inner1"
	starter := inner.starter(t, nil)
	use(t, starter, inner)
	// One connection to the jump host serves all.
	var all sync.WaitGroup
	agents := make([]*Agent, 3)
	for i := range agents {
		all.Go(func() {
			a, err := starter.Start(t.Context(), place.Host{Name: fmt.Sprint("inner", i)})
			if err != nil {
				t.Error(err)
				return
			}
			agents[i] = a.(*Agent)
		})
	}
	all.Wait()
	if n := starter.dialer.Jumps(); n != 1 {
		t.Errorf("%d connections to jump hosts", n)
	}
	for _, a := range agents {
		if a != nil {
			say(t, a, "", "agent\n")
			end(t, a)
		}
	}
	if n := starter.dialer.Jumps(); n != 0 {
		t.Errorf("%d connections to jump hosts stay", n)
	}
}

func TestDirectories(t *testing.T) {
	// The server has mounts of its own, so that /var/tmp is this test's alone.
	own := []string{needs.Command(t, "unshare", "util-linux"), "-m", "sh", "-c", `mount -t tmpfs tmpfs /var/tmp && exec "$0" "$@"`}
	s := newSSHDBehind(t, own, "127.0.1.7")
	there := func(words ...string) {
		t.Helper()
		words = append([]string{"-t", strconv.Itoa(s.pid), "-m", "--"}, words...)
		if out, err := exec.Command(needs.Command(t, "nsenter", "util-linux"), words...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", words, err, out)
		}
	}
	quiet(t)
	fallback := fmt.Sprintf("/var/tmp/gridrun-%d", os.Getuid())
	for _, c := range []struct {
		name    string
		options string // of what is mounted on the home; "": it is moved away
		why     string
	}{
		{"no home", "", "no home directory"},
		{"read-only", "ro", "ead-only"},
		{"noexec", "noexec,size=200m", "noexec"},
		{"full", "size=64k", "full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			there("rm", "-rf", fallback)
			if c.options != "" {
				there("mount", "-t", "tmpfs", "-o", c.options, "tmpfs", s.home)
				defer there("umount", "-l", s.home)
			} else {
				os.Rename(s.home, s.home+"-away")
				defer os.Rename(s.home+"-away", s.home)
			}
			var told notices
			starter := s.starter(t, func(o *Options) { o.Notice = told.add })
			agent := use(t, starter, s)
			if agent.Dir != fallback {
				t.Errorf("directory %s", agent.Dir)
			}
			for _, part := range []string{s.ip, fallback, s.home, c.why} {
				if !strings.Contains(told.String(), part) {
					t.Errorf("the notice lacks %q: %s", part, told.String())
				}
			}
		})
	}
	there("rm", "-rf", fallback) // where it is already, it is taken
	t.Run("chosen", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "with 'quotes' and blanks")
		agent := use(t, s.starter(t, func(o *Options) { o.Dir = dir }), s)
		if agent.Dir != dir {
			t.Errorf("directory %s", agent.Dir)
		}
	})
}

func TestShipAndStage(t *testing.T) {
	s := newSSHD(t, "127.0.1.8")
	quiet(t)
	program := filepath.Join(t.TempDir(), "solver")
	write(t, program, "#!/bin/sh\necho solved\n")
	input := filepath.Join(t.TempDir(), "input.nc")
	write(t, input, "data")
	eachWay(t, func(t *testing.T, command string) {
		a, err := s.starter(t, func(o *Options) { o.Command = command }).Start(t.Context(), place.Host{Name: s.ip})
		if err != nil {
			t.Fatal(err)
		}
		agent := a.(*Agent)
		say(t, agent, "", "agent\n")
		paths, err := agent.Ship(t.Context(), ship.Executable(program))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(paths[0]); err != nil || !strings.Contains(string(text), "solved") || !strings.HasPrefix(paths[0], agent.Dir) {
			t.Errorf("%s: %q, %v", paths[0], text, err)
		}
		f, err := ship.ReadFile(input, "input.nc")
		if err != nil {
			t.Fatal(err)
		}
		dir, staged, err := agent.Stage(t.Context(), "job1", []ship.File{f})
		if err != nil || staged[0] != filepath.Join(dir, "input.nc") {
			t.Fatalf("%v, %v", staged, err)
		}
		if err := agent.Unstage(t.Context(), "job1"); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("staged files stay: %v", err)
		}
		say(t, agent, "still here\n", "still here\n")
		end(t, agent)
	})
}

func TestRefusals(t *testing.T) {
	eachWay(t, func(t *testing.T, command string) {
		start := func(t *testing.T, s *sshd) error {
			t.Helper()
			quiet(t)
			_, err := s.starter(t, func(o *Options) { o.Command = command }).Start(context.Background(), place.Host{Name: s.ip})
			return err
		}
		t.Run("key", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.9")
			pair(t, filepath.Join(s.dir, "id"), "")
			err := start(t, s)
			wants(t, err, s.ip, "try: ssh")
			if command == "" {
				wants(t, err, "authentication", "user root was not let in", filepath.Join(s.dir, "id"), "ssh-copy-id", s.address())
			} else {
				wants(t, err, "Permission denied")
			}
		})
		t.Run("forced command", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.10", "ForceCommand echo This account is not available; exit 1")
			wants(t, start(t, s), "This account is not available", "exit status 1", "starting the agent")
		})
		t.Run("silent login shell", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.11", "ForceCommand true")
			wants(t, start(t, s), "without executing the command")
		})
		t.Run("no SFTP", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.12", "Subsystem sftp /nowhere/sftp-server")
			wants(t, start(t, s), "SFTP", "openssh-sftp-server")
		})
		t.Run("nobody there", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.13")
			text, _ := os.ReadFile(s.config)
			write(t, s.config, strings.Replace(string(text), fmt.Sprint("Port ", s.port), "Port 1", 1))
			wants(t, start(t, s), s.ip, "efused", "try: ssh")
		})
		t.Run("unknown host", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.14")
			write(t, s.known, "")
			err := start(t, s)
			if command == "" {
				wants(t, err, s.known, ssh.FingerprintSHA256(s.hostKey.PublicKey()), fmt.Sprintf("ssh-keyscan -p %d -H %s >> %s", s.port, s.ip, s.known))
			} else {
				wants(t, err, "Host key verification failed")
			}
		})
		t.Run("changed key", func(t *testing.T) {
			s := newSSHD(t, "127.0.1.15")
			other := pair(t, filepath.Join(t.TempDir(), "other"), "")
			write(t, s.known, "# one line before\n"+knownLine(s.ip, s.port, other.PublicKey()))
			err := start(t, s)
			if command == "" {
				wants(t, err, s.known+":2", ssh.FingerprintSHA256(s.hostKey.PublicKey()), ssh.FingerprintSHA256(other.PublicKey()), "has changed", fmt.Sprintf("ssh-keygen -R '[%s]:%d' -f %s", s.ip, s.port, s.known))
			} else {
				wants(t, err, "Host key verification failed")
			}
		})
	})
}
