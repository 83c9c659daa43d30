//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gridrun/collectives"
	"gridrun/internal/engine"
	"gridrun/internal/testnet"
	"gridrun/launcher/registry"
	"gridrun/rt"
)

// The tests of hosts_*_test.go run the real command on hosts in namespaces, each
// with its own sshd, home and network. The hosts see none of the files of the
// test: gridrun and programs are shipped.

// tester is the rank program of these tests, `tester MODE`; TestMain runs it
// when the test binary is called so.
//
//	hello     all ranks meet, each says where it is
//	busy      ranks meet until they are stopped; each has children and the host service
//	stubborn  the same, but only SIGKILL ends it
//	survive   ranks meet until some have died, and then go on without them
//	outlast   ranks meet, whoever dies, until they are sent SIGUSR1
//	read      ranks read an array until a host is lost, and then from a cache without it
//	work      see hosts_stranger_test.go
func tester(ctx context.Context, w *rt.World) error {
	mode := w.Args()[0]
	if mode == "hello" {
		if err := collectives.Barrier(ctx, w); err != nil {
			return err
		}
		fmt.Fprintf(w.Stdout(), "rank %d of %d on %s\n", w.Rank(), w.Size(), w.Host())
		return nil
	}
	if mode == "work" {
		return work(ctx, w)
	}
	if mode == "progress" { // until it is told that this has been seen
		if w.Rank() > 0 {
			return nil
		}
		w.Progress(1, 2, "half of it")
		_, err := os.Stdin.Read(make([]byte, 1))
		fmt.Fprintln(w.Stdout(), "the other half")
		return err
	}
	if mode == "survive" {
		return survivor(ctx, w, nil)
	}
	if mode == "outlast" {
		enough := make(chan os.Signal, 1)
		signal.Notify(enough, syscall.SIGUSR1)
		fmt.Fprintf(w.Stdout(), "up %d\n", w.Rank())
		return survivor(ctx, w, enough)
	}
	if mode == "read" {
		return reader(ctx, w)
	}
	if mode == "stubborn" {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT)
	}
	forgotten := exec.Command("setsid", "sleep", "1000")
	forgotten.Stdout = os.Stdout // so it holds the output too
	if err := forgotten.Start(); err != nil {
		return err
	}
	service, err := engine.From(w).Proc().Service(ctx)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer context.AfterFunc(ctx, func() { service.Close() })()
	go func() {
		if _, err := service.Read(make([]byte, 1)); err != nil && ctx.Err() == nil {
			fail(fmt.Errorf("the host service is gone: %w", err))
		}
	}()
	for first := true; ; first = false {
		if err = collectives.Barrier(ctx, w); err != nil {
			break
		}
		if first {
			fmt.Fprintln(w.Stdout(), "up")
		}
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	fmt.Fprintln(w.Stdout(), "stopping")
	if mode == "stubborn" {
		select {}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// A cluster is a net of hosts with what these tests do there.
type cluster struct {
	*testnet.Net
	dir    string // on this machine; hosts do not see it
	before map[string]map[string]bool
	kept   bool // a keeper holds the hosts
	spares bool // or has held them: agents of no job may wait there
}

// newCluster makes a net of hosts. Its directory holds the commands gridrun and tester.
func newCluster(t *testing.T, cfg testnet.Config) *cluster {
	t.Helper()
	c := &cluster{Net: testnet.New(t, cfg), dir: bin(t), before: map[string]map[string]bool{}}
	if err := os.Symlink("gridrun", filepath.Join(c.dir, "tester")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, "input"), []byte("staged\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(c.dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range c.Len() {
		c.before[c.Host(i).Name] = c.files(t, i)
	}
	return c
}

// clusters are nets that parallel tests take one after the other.
type clusters chan *cluster

func newClusters(t *testing.T, n, hosts int) clusters {
	all := make(clusters, n)
	for range n {
		all <- newCluster(t, testnet.Config{Hosts: hosts})
	}
	return all
}

// use runs f with a net of its own for the time.
func (all clusters) use(f func(c *cluster)) {
	c := <-all
	defer func() { all <- c }()
	f(c)
}

// hosts lists all hosts with slots each, for -H.
func (c *cluster) hosts(slots int) string {
	var words []string
	for i := range c.Len() {
		words = append(words, fmt.Sprintf("%s:%d", c.Host(i).Name, slots))
	}
	return strings.Join(words, ",")
}

// A text is what a command has printed so far.
type text struct {
	mu      sync.Mutex
	b       strings.Builder
	changed chan struct{} // replaced at every write
}

func newText() *text { return &text{changed: make(chan struct{})} }

func (x *text) Write(b []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	close(x.changed)
	x.changed = make(chan struct{})
	return x.b.Write(b)
}

func (x *text) now() (string, <-chan struct{}) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String(), x.changed
}

func (x *text) String() string {
	s, _ := x.now()
	return s
}

// patient is how long these tests wait for what must happen.
const patient = time.Minute

// A launched is a gridrun that was started on the front.
type launched struct {
	cmd         *exec.Cmd
	out, errOut *text
	done        chan struct{}
}

// launch starts gridrun on the front, in a session of its own, with this net's ssh configuration.
func (c *cluster) launch(t *testing.T, stdin string, args ...string) *launched {
	t.Helper()
	return c.launchWith(t, nil, stdin, args...)
}

func (c *cluster) launchWith(t *testing.T, env []string, stdin string, args ...string) *launched {
	t.Helper()
	l := &launched{
		cmd: c.FrontCommand(append([]string{filepath.Join(c.dir, "gridrun")}, args...)...),
		out: newText(), errOut: newText(), done: make(chan struct{}),
	}
	l.cmd.Env = append(l.cmd.Env, "GRIDRUN_SSH_CONFIG="+c.SSHConfig(), "TMPDIR="+filepath.Join(c.dir, "tmp"), "XDG_CONFIG_HOME="+filepath.Join(c.dir, "none"))
	l.cmd.Env = append(l.cmd.Env, env...)
	l.cmd.Stdin = strings.NewReader(stdin)
	l.cmd.Stdout, l.cmd.Stderr = l.out, l.errOut
	l.cmd.WaitDelay = patient
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		l.cmd.Wait()
		close(l.done)
	}()
	t.Cleanup(func() {
		l.cmd.Process.Kill()
		<-l.done
	})
	return l
}

// await waits until the output has n lines that are line.
func (l *launched) await(t *testing.T, n int, line string) {
	t.Helper()
	late := time.After(patient)
	for ended := false; ; {
		s, changed := l.out.now()
		if strings.Count(s, line+"\n") >= n {
			return
		}
		if ended {
			t.Fatalf("ended without %d lines %q: out %q, err %q", n, line, s, l.errOut)
		}
		select {
		case <-changed:
		case <-l.done:
			ended = true
		case <-late:
			t.Fatalf("not %d lines %q in %v: out %q, err %q", n, line, patient, s, l.errOut)
		}
	}
}

// wait returns the exit code, 128+n after signal n.
func (l *launched) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-l.done:
	case <-time.After(patient):
		l.cmd.Process.Signal(syscall.SIGABRT) // Go says what every goroutine does
		<-l.done
		t.Fatalf("gridrun does not end; out %q, err:\n%s", l.out, l.errOut)
	}
	if status := l.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return l.cmd.ProcessState.ExitCode()
}

// run runs gridrun to its end.
func (c *cluster) run(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	l := c.launch(t, "", args...)
	code = l.wait(t)
	return code, l.out.String(), l.errOut.String()
}

// parts of a job as [cluster.find] knows them.
var parts = map[string]func(p testnet.Process) bool{
	"sshd":    func(p testnet.Process) bool { return strings.HasPrefix(p.Name, "sshd") },
	"script":  func(p testnet.Process) bool { return p.Name == "sh" },
	"guard":   func(p testnet.Process) bool { return len(p.Args) > 1 && p.Args[1] == "__guard" },
	"agent":   func(p testnet.Process) bool { return len(p.Args) > 1 && p.Args[1] == "__agent" },
	"relay":   func(p testnet.Process) bool { return len(p.Args) > 1 && p.Args[1] == "__relay" },
	"service": func(p testnet.Process) bool { return len(p.Args) > 1 && p.Args[1] == "__hostd" },
	"rank":    func(p testnet.Process) bool { return len(p.Args) > 0 && filepath.Base(p.Args[0]) == "tester" },
}

// find lists the processes of host i that are a part.
func (c *cluster) find(t *testing.T, i int, part string) []testnet.Process {
	t.Helper()
	all, err := c.Host(i).Processes()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all, func(p testnet.Process) bool { return !parts[part](p) })
}

// poll waits until holds.
func poll(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patient); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v passed, and still not: %s", patient, what)
		}
	}
}

// pidThere is what the host calls the process that this machine calls pid.
func pidThere(t *testing.T, pid int) string {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(rest)
			return fields[len(fields)-1]
		}
	}
	t.Fatalf("no NSpid of %d", pid)
	return ""
}

// cached matches what may stay on a host: shipped files by their hash.
var cached = regexp.MustCompile(`^/root/\.cache(/gridrun(/jobs|/[0-9a-f]{64}(/(gridrun|tester|used|(gridrun|tester)\.[0-9a-f]{16}|[a-z]+))?)?)?$`)

// files lists what lies in the directories where anything of a job could be.
func (c *cluster) files(t *testing.T, i int) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, dir := range []string{"/root", "/tmp", "/var/tmp", "/dev/shm", "/run"} {
		root := c.Host(i).Path(dir)
		filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil // it went away meanwhile
			}
			found[dir+strings.TrimPrefix(path, root)] = true
			return nil
		})
	}
	return found
}

// sockets lists the TCP sockets of host i, but for those that sshd has and those
// that only the kernel still knows.
func (c *cluster) sockets(i int) (found []string) {
	const listen, timeWait = "0A", "06"
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", c.Host(i).PID(), table))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line) // sl local remote state ... inode is 10th
			if len(f) < 10 || f[0] == "sl" || f[9] == "0" || f[3] == timeWait {
				continue
			}
			if _, port, _ := strings.Cut(f[1], ":"); port != "0016" {
				found = append(found, table+" "+strings.Join(f[1:4], " "))
			}
		}
	}
	return found
}

// left says what is still there of jobs on host i; alone: the host is cut off,
// so sshd cannot know that its connection has ended, nor can an agent that a keeper
// has waiting there: it has no lease, and leaves after two minutes.
func (c *cluster) left(t *testing.T, i int, alone bool) (found []string) {
	t.Helper()
	h := c.Host(i)
	all, err := h.Processes()
	if err != nil {
		t.Fatal(err)
	}
	spare := map[string]bool{"guard": alone && c.spares, "agent": alone && c.spares}
	for _, p := range all {
		if alone && parts["sshd"](p) {
			continue
		}
		if part := spareOf(p); spare[part] {
			spare[part] = false
			continue
		}
		found = append(found, fmt.Sprintf("%s: process %d %s %q", h.Name, p.PID, p.Name, p.Args))
	}
	for f := range c.files(t, i) {
		if !c.before[h.Name][f] && !cached.MatchString(f) {
			found = append(found, h.Name+": file "+f)
		}
	}
	for _, s := range c.sockets(i) {
		found = append(found, h.Name+": socket "+s)
	}
	slices.Sort(found)
	return found
}

// spareOf is the part of a waiting agent that a process could be.
func spareOf(p testnet.Process) string {
	for _, part := range []string{"guard", "agent"} {
		if parts[part](p) {
			return part
		}
	}
	return ""
}

// clean waits until nothing of any job is left anywhere, and returns how long
// that took. Hosts that are dead or cut off by this test are named.
func (c *cluster) clean(t *testing.T, dead, alone []int) time.Duration {
	t.Helper()
	began := time.Now()
	shown := false
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		var found []string
		for i := range c.Len() {
			if !slices.Contains(dead, i) {
				found = append(found, c.left(t, i, slices.Contains(alone, i))...)
			}
		}
		front, err := c.Front().Processes()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range front {
			found = append(found, fmt.Sprintf("front: process %d %q", p.PID, p.Args))
		}
		files, err := os.ReadDir(filepath.Join(c.dir, "tmp"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if f.Name() != fmt.Sprintf("gridrun-%d", os.Getuid()) {
				found = append(found, "front: file "+f.Name())
				continue
			}
			// Of a gridrun that was killed the next `gridrun ps` removes the socket.
			dir := filepath.Join(c.dir, "tmp", f.Name())
			live, err := registry.Jobs(dir)
			rest, _ := os.ReadDir(dir)
			if err != nil || len(live)+len(rest) > 0 {
				found = append(found, fmt.Sprintf("front: jobs %q, files %v, %v", live, rest, err))
			}
		}
		took := time.Since(began)
		if len(found) == 0 {
			return took
		}
		if took > patient {
			t.Errorf("after %v there are left:\n%s", took, strings.Join(found, "\n"))
			return took
		}
		if took > 4*time.Second && !shown {
			shown = true
			t.Logf("after %v there are still:\n%s", took, strings.Join(found, "\n"))
		}
		time.Sleep(pause)
	}
}

// has fails the test unless s has every part, and none that begins with "!".
func has(t *testing.T, s string, partsOf ...string) {
	t.Helper()
	for _, p := range partsOf {
		if part, no := strings.CutPrefix(p, "!"); no == strings.Contains(s, part) {
			t.Errorf("%q: wanted %v in %s", part, !no, s)
		}
	}
}

// lines sorts the lines of s, without those of empty text.
func lines(s string) []string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	slices.Sort(all)
	return all
}

// number is the environment variable's value, or n.
func number(name string, n int) int {
	if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return v
	}
	return n
}
