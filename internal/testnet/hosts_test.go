//go:build linux

package testnet

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/needs"
)

// sshTo runs command on a host with the system's ssh client, from the front.
func sshTo(n *Net, host, command string, options ...string) (string, error) {
	args := append([]string{"ssh", "-F", n.SSHConfig()}, options...) // ssh takes the first of two equal options
	out, err := n.FrontCommand(append(args, "-o", "ConnectTimeout=10", host, command)...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// interfaces lists the machine's own network interfaces.
func interfaces(t *testing.T) []string {
	list, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

func TestEveryHostIsItsOwn(t *testing.T) {
	needs.Command(t, "ssh", "openssh-client")
	shared := t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "input"), []byte("seen by all"), 0o644); err != nil {
		t.Fatal(err)
	}
	hidden := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(hidden, []byte("only here"), 0o644); err != nil {
		t.Fatal(err)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	devices := interfaces(t)
	n := New(t, Config{Hosts: 3, IPv6: true, ExtraBridge: "172.17.0.1/16", Share: []string{shared}})

	for i := range n.Len() {
		h := n.Host(i)
		family := []string{"-4", "-6"}[i%2]
		out, err := sshTo(n, h.Name, "hostname && pwd && cat "+shared+"/input && test ! -e "+hidden, family)
		if want := h.Name + "\n/root\nseen by all"; err != nil || out != want {
			t.Errorf("ssh %s %s: %q, %v: want %q, and not to see %s", family, h.Name, out, err, want, hidden)
		}
		if out, err := h.Command("ip", "-4", "-o", "addr", "show", "up", "dev", "docker0").Output(); err != nil || !strings.Contains(string(out), " 172.17.0.1/16 ") {
			t.Errorf("docker0 of %s: %q, %v", h.Name, out, err)
		}
		for _, dir := range []string{"/root", "/root/.cache", "/tmp", "/var/tmp", "/dev/shm"} {
			file := filepath.Join(dir, "mine")
			if err := os.WriteFile(h.Path(file), []byte(h.Name), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := h.Command("cat", file).Output(); err != nil || string(out) != h.Name {
				t.Errorf("%s on %s: %q, %v", file, h.Name, out, err)
			}
			if _, err := os.Stat(n.Host((i + 1) % 3).Path(file)); i == 0 && err == nil {
				t.Errorf("%s of %s is seen on another host", file, h.Name)
			}
			if _, err := os.Stat(file); err == nil {
				t.Errorf("%s of %s is seen on this machine", file, h.Name)
			}
		}
	}
	if now, err := os.Hostname(); err != nil || now != name {
		t.Errorf("this machine's name is %q now, %v", now, err)
	}
	if now := interfaces(t); !slices.Equal(now, devices) {
		t.Errorf("this machine's interfaces were %v and are %v", devices, now)
	}
}

func TestUnknownNameFailsAtOnce(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 1})
	for where, cmd := range map[string]*exec.Cmd{
		"front": n.FrontCommand("getent", "ahosts", "node2.example"),
		"node1": n.Command(0, "getent", "ahosts", "node2.example"),
	} {
		late := time.AfterFunc(long, func() { cmd.Process.Kill() }) // a resolver waits 5 s, twice
		err := cmd.Run()
		if !late.Stop() || err == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("on %s: %v: want getent's exit code 2, for no such name, at once", where, err)
		}
	}
	if out, err := sshTo(n, "node2", "true"); err == nil || !strings.Contains(out, "Could not resolve hostname") {
		t.Errorf("ssh to an unknown name: %q, %v", out, err)
	}
}

func TestClientConfiguration(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 2, Mutual: true})
	path, err := n.Hostfile(3)
	if err != nil {
		t.Fatal(err)
	}
	text, err := n.FrontCommand("cat", path).Output()
	if err != nil || string(text) != "node1 slots=3\nnode2 slots=3\n" {
		t.Errorf("hostfile as the front sees it: %q, %v", text, err)
	}
	// Without -F: the front's and, as they are mutual, the hosts' own files.
	for _, from := range []*Host{n.Front(), n.Host(0)} {
		if out, err := from.Command("ssh", "node2", "hostname").CombinedOutput(); err != nil || string(out) != "node2\n" {
			t.Errorf("ssh node2 on %s: %q, %v", from.Name, out, err)
		}
	}
	if out, err := sshTo(n, "node1", "true", "-o", "UserKnownHostsFile=/dev/null"); err == nil || !strings.Contains(out, "Host key verification failed") {
		t.Errorf("a host whose key is not known: %q, %v", out, err)
	}
	if out, err := sshTo(n, "node1", "true", "-F", "/dev/null", "-o", "IdentityFile=none", "-o", "BatchMode=yes", "-o", "UserKnownHostsFile="+n.KnownHosts()); err == nil || !strings.Contains(out, "Permission denied") {
		t.Errorf("a client without a key: %q, %v", out, err)
	}
}

func TestOtherPort(t *testing.T) {
	t.Parallel()
	n := New(t, Config{Hosts: 1, IPv6: true, SSHPort: 2022})
	h := n.Host(0)
	if h.Port != 2022 {
		t.Errorf("the host says its port is %d", h.Port)
	}
	for _, name := range []string{h.Name, h.Addr, h.Addr6} {
		if out, err := sshTo(n, name, "echo $SSH_CONNECTION"); err != nil || !strings.HasSuffix(out, " 2022") {
			t.Errorf("ssh to %s: %q, %v", name, out, err)
		}
	}
}

func TestFrontCommandIsTheProcessItself(t *testing.T) {
	n := New(t, Config{Hosts: 1})
	t.Chdir(t.TempDir())
	want, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := n.FrontCommand("pwd").Output(); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("the front's working directory: %q, %v: want %s", out, err, want)
	}
	cmd := n.FrontCommand("sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.01; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 7 {
		t.Errorf("the command ended with %v: the signal did not reach it", cmd.ProcessState)
	}
}

func TestFrontSeesTheModuleItWorksIn(t *testing.T) {
	needs.Root(t, "network namespaces")
	module, err := os.MkdirTemp(home, "testnet-module-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(module)
	work := filepath.Join(module, "sub")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(work)
	n := New(t, Config{Hosts: 1, Share: []string{filepath.Join(module, "go.mod")}})
	if out, err := n.FrontCommand("sh", "-c", "pwd; ls ..").CombinedOutput(); err != nil || string(out) != work+"\ngo.mod\nsub\n" {
		t.Errorf("on the front: %q, %v", out, err)
	}
	if out, err := n.Command(0, "ls", module).CombinedOutput(); err != nil || string(out) != "go.mod\n" {
		t.Errorf("a host sees more than the one file that is shared: %q, %v", out, err)
	}
	if _, err := os.Stat(n.Front().Path(filepath.Join(home, ".ssh", "known_hosts"))); err != nil {
		t.Errorf("the front's home is not its own: %v", err)
	}
}

func TestTwoNetsDoNotMeet(t *testing.T) {
	t.Parallel()
	needs.Root(t, "network namespaces")
	var nets [2]*Net
	var errs [2]error
	var all sync.WaitGroup
	for i := range nets {
		all.Go(func() { nets[i], errs[i] = Open(Config{Hosts: 2}) })
	}
	all.Wait()
	for i, n := range nets {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		defer n.Close()
		if err := os.WriteFile(n.Host(1).Path("/root/net"), []byte{byte('0' + i)}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := nets[0].Cut(1); err != nil {
		t.Fatal(err)
	}
	if out, err := sshTo(nets[1], "node2", "cat net"); err != nil || out != "1" {
		t.Errorf("node2 of the second net: %q, %v", out, err)
	}
	if err := nets[0].Restore(1); err != nil {
		t.Fatal(err)
	}
	if err := nets[1].Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := sshTo(nets[0], "node2", "cat net"); err != nil || out != "0" {
		t.Errorf("node2 of the first net, after the second is gone: %q, %v", out, err)
	}
}

func TestNinetyThreeHosts(t *testing.T) {
	began := time.Now()
	n := New(t, Config{Hosts: 93})
	t.Logf("made in %v", time.Since(began))
	// More pairs than the kernel's table has room for learned neighbours.
	for i := 0; i < n.Len(); i += 8 {
		for j := range n.Len() {
			if err := n.Host(i).Do(func() error {
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(n.Host(j).Addr, "9"), 10*time.Second)
				if err == nil {
					conn.Close()
				}
				return err
			}); !isRefused(err) {
				t.Fatalf("from %s to %s: %v: want a refusal, which is an answer", n.Host(i).Name, n.Host(j).Name, err)
			}
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []Config{{}, {Hosts: -1}, {Hosts: 251}, {Hosts: 1, SSHPort: 65536}, {Hosts: 1, Share: []string{"/no/such/directory"}}} {
		if n, err := Open(cfg); err == nil {
			n.Close()
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
