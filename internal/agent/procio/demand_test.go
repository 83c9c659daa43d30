package procio

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gridrun/internal/needs"
	"gridrun/internal/proclook"
)

// Whoever reads is found, however it waits for its input; who does not, is not.
func TestAwaited(t *testing.T) {
	python := func(text string) []string {
		return []string{needs.Command(t, "python3", "python3"), "-c", text}
	}
	for name, c := range map[string]struct {
		words []string
		want  bool
	}{
		"read":         {[]string{"cat"}, true},
		"a child":      {[]string{"sh", "-c", "cat; true"}, true},
		"a grandchild": {[]string{"sh", "-c", "nice sh -c 'sed p; true'; true"}, true},
		"the shell":    {[]string{"sh", "-c", "read x; true"}, true},
		"poll":         {python("import select; p = select.poll(); p.register(0, select.POLLIN); p.poll()"), true},
		"select":       {python("import select; select.select([0], [], [])"), true},
		"epoll":        {python("import select; e = select.epoll(); e.register(0, select.EPOLLIN); e.poll()"), true},
		"a thread":     {python("import os, threading, time; threading.Thread(target=os.read, args=(0, 1)).start(); time.sleep(100)"), true},
		"another fd":   {[]string{"sh", "-c", "exec 5<&0 </dev/null; cat <&5"}, true},
		"sleep":        {[]string{"sleep", "100"}, false},
		"other pipe":   {[]string{"sh", "-c", "sleep 100 | cat"}, false},
		"other poll":   {python("import os, select; r, w = os.pipe(); select.select([r], [], [])"), false},
		"only errors":  {python("import select; e = select.epoll(); e.register(0, 0); e.poll()"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			cmd := exec.Command(c.words[0], c.words[1:]...)
			cmd.Stdin = r
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			r.Close()
			defer func() {
				for _, s := range proclook.Below(proclook.Processes(), cmd.Process.Pid) {
					if p, err := os.FindProcess(s.Pid); err == nil {
						p.Kill()
					}
				}
				cmd.Process.Kill()
				cmd.Wait()
			}()
			link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", w.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			var inode uint64
			fmt.Sscanf(link, "pipe:[%d]", &inode)
			look := func() bool {
				pids := []int{cmd.Process.Pid}
				for _, s := range proclook.Below(proclook.Processes(), cmd.Process.Pid) {
					pids = append(pids, s.Pid)
				}
				return awaited(pids, inode)
			}
			if !c.want {
				for range 50 { // while it starts and when it has
					if look() {
						t.Fatal("it does not read")
					}
					time.Sleep(4 * time.Millisecond)
				}
				return
			}
			for deadline := time.Now().Add(time.Minute); !look(); {
				if time.Now().After(deadline) {
					t.Fatal("it reads, and is not found")
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
}

func FuzzParseCall(f *testing.F) {
	f.Add("0 0x3 0x7f5df8c53000 0x20000 0x7f5df8ce5b60 0xffffffff 0x0 0x7ffd41839248 0x7f5df8dce2ad")
	f.Add("running")
	f.Add("-1 0x7ffd41839248 0x7f5df8dce2ad")
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := parseCall([]byte(text))
		if ok && !strings.Contains(text, fmt.Sprint(c.number)) {
			t.Errorf("%q: %+v", text, c)
		}
	})
}
