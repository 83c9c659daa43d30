package registry

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fake is a job that answers.
type fake struct {
	id   string
	fail error
	wait bool // answers only when it is no longer wanted
}

func (f fake) Summary(ctx context.Context) (Summary, error) {
	if f.wait {
		<-ctx.Done()
		return Summary{}, ctx.Err()
	}
	return Summary{Job: f.id, Ranks: 3, State: "running", Started: time.Unix(int64(len(f.id)), 0)}, f.fail
}

func (f fake) Stacks(_ context.Context, all bool) (string, error) {
	if all {
		return "all of it\n", f.fail
	}
	return "verdict\n", f.fail
}

func listen(t *testing.T, dir string, f fake) *Server {
	t.Helper()
	s, err := Listen(dir, f.id, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestJobs(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	if jobs, err := List(ctx, dir); err != nil || len(jobs) != 0 {
		t.Fatalf("%v %v", jobs, err)
	}
	if _, err := Find(dir, ""); err == nil || !strings.Contains(err.Error(), "no job") {
		t.Errorf("%v", err)
	}
	one := listen(t, dir, fake{id: "aa11"})
	if id, err := Find(dir, ""); id != "aa11" || err != nil {
		t.Errorf("the only job: %q %v", id, err)
	}
	listen(t, dir, fake{id: "aa222"})
	listen(t, dir, fake{id: "b"})
	// A launcher that was killed has left its socket.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "dead.job"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	jobs, err := List(ctx, dir)
	if err != nil || len(jobs) != 3 || jobs[0].Job != "b" || jobs[2].Job != "aa222" || jobs[1].Ranks != 3 {
		t.Errorf("%+v %v", jobs, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "dead.job")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead job's socket: %v", err)
	}
	for start, want := range map[string]string{"aa1": "aa11", "b": "b", "aa": "2 jobs begin with aa", "": "3 jobs run", "c": "no job c"} {
		if id, err := Find(dir, start); id != want && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q %v, want %q", start, id, err, want)
		}
	}
	for all, want := range map[bool]string{true: "all of it\n", false: "verdict\n"} {
		if text, err := Stacks(ctx, dir, "b", all); text != want || err != nil {
			t.Errorf("%q %v", text, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "b.job")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	one.Close()
	if _, err := Stacks(ctx, dir, "aa11", false); !errors.Is(err, errEnded) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "aa11.job")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

func TestErrorsArrive(t *testing.T) {
	dir := t.TempDir()
	listen(t, dir, fake{id: "x", fail: errors.New("the job has just ended")})
	if _, err := Stacks(context.Background(), dir, "x", false); err == nil || !strings.Contains(err.Error(), "just ended") {
		t.Errorf("%v", err)
	}
}

// Strangers and clients that say nothing harm nobody, and Close does not wait for them.
func TestStrangers(t *testing.T) {
	dir := t.TempDir()
	s := listen(t, dir, fake{id: "x"})
	var held []net.Conn
	for _, says := range []string{"", "\n", "{}\n", "GET / HTTP/1.0\r\n\r\n", strings.Repeat("x", maxRequest+10), `{"ask":"secrets"}` + "\n"} {
		c, err := net.Dial("unix", filepath.Join(dir, "x.job"))
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte(says))
		held = append(held, c)
	}
	if text, err := Stacks(context.Background(), dir, "x", false); text != "verdict\n" || err != nil {
		t.Errorf("%q %v", text, err)
	}
	slow := listen(t, dir, fake{id: "slow", wait: true})
	asked := make(chan error, 1)
	go func() {
		_, err := ask(context.Background(), dir, "slow", request{Ask: "summary"})
		asked <- err
	}()
	began := time.Now()
	s.Close()
	slow.Close()
	if d := time.Since(began); d > 3*time.Second {
		t.Errorf("Close took %v", d)
	}
	if err := <-asked; err == nil {
		t.Error("an answer of a job that has ended")
	}
	for _, c := range held {
		c.Close()
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"ask":"stacks","all":true}` + "\n"))
	f.Add([]byte("{\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if q, err := readRequest(bytes.NewReader(b)); err == nil && q.Ask != "summary" && q.Ask != "stacks" {
			t.Fatalf("%+v", q)
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"summary":{"job":"x","started":"2026-01-02T03:04:05Z"}}`))
	f.Add([]byte(`{"error":"no"}`))
	f.Fuzz(func(t *testing.T, b []byte) { readReply(bytes.NewReader(b)) })
}
