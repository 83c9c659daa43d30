package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A typing is text to type once the terminal shows after.
type typing struct{ after, text string }

// terminal opens a pseudo terminal of 60 columns and runs script in sh as the
// leader of its session. It returns what the terminal shows until the script ends.
func terminal(t *testing.T, script string, typings []typing) string {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	raw, err := master.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
		if failed == nil {
			failed = unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 20, Col: 60})
		}
	})
	if failed != nil {
		t.Fatal(failed)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PATH="+bin(t)+":"+os.Getenv("PATH"), "XDG_CONFIG_HOME="+cmd.Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	shown := make(chan string)
	go func() {
		var text []byte
		buf := make([]byte, 4096)
		for {
			for len(typings) > 0 && strings.Contains(string(text), typings[0].after) {
				io.WriteString(master, typings[0].text)
				typings = typings[1:]
			}
			n, err := master.Read(buf)
			text = append(text, buf[:n]...)
			if err != nil { // EIO when the last holder of the terminal has gone
				shown <- string(text)
				return
			}
		}
	}()
	deadline := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer deadline.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", script, err)
	}
	return <-shown
}

func TestTerminal(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		typed  []typing
		shows  []string
		not    string
	}{
		"a line typed reaches rank 0": {
			script: `gridrun -np 1 head -n 1`,
			typed:  []typing{{"", "hello\n"}},
			shows:  []string{"hello\r\nhello\r\n"},
		},
		// A background job must not be stopped for reading, and must leave the input alone.
		"background": {
			script: `set -m; gridrun -np 1 sh -c 'sleep 0.3; echo ran' & wait $!; echo code $?; read line; echo "the shell reads $line"`,
			typed:  []typing{{"", "mine\n"}},
			shows:  []string{"ran\r\n", "code 0\r\n", "the shell reads mine\r\n"},
		},
		"what no rank reads stays with the shell": {
			script: `gridrun -np 2 sh -c 'echo up; sleep 0.3'; read line; echo "the shell reads $line"`,
			typed:  []typing{{"up\r\nup\r\n", "mine\n"}},
			shows:  []string{"the shell reads mine\r\n"},
		},
		"Ctrl-C": {
			script: `trap : INT; gridrun -np 2 sh -c 'echo up; sleep 100'; echo code $?`,
			typed:  []typing{{"up\r\nup\r\n", "\x03"}},
			shows:  []string{"ended by SIGINT; 2 ranks stopped", "code 130\r\n"},
		},
		"Ctrl-Z": {
			script: `set -m; gridrun -np 1 sh -c 'echo up; while read x; do echo got $x; [ $x = a ] || exit 5; done'; echo "stopped: $?"; fg; echo "ended: $?"`,
			typed:  []typing{{"up\r\n", "a\n"}, {"got a\r\n", "\x1a"}, {"stopped: ", "b\n"}},
			shows:  []string{"stopped: 14", "got b\r\n", "ended: 5\r\n"}, // 128 + SIGSTOP, or SIGTSTP
		},
		"Ctrl-\\": {
			script: `trap : QUIT; gridrun -np 2 sh -c 'echo up; [ $GRIDRUN_RANK = 1 ] && exit; read x; echo done'`,
			typed:  []typing{{"up\r\nup\r\n", "\x1c"}, {"Ctrl-C ends it", "x\n"}},
			shows:  []string{"no rank waits for another: rank 0", "the job goes on; Ctrl-C ends it", "done\r\n"},
		},
		"progress bar": {
			script: `ln -s "$(command -v gridrun)" tester; gridrun -np 2 ./tester progress`,
			typed:  []typing{{"%\x1b[K", "\n"}},
			shows:  []string{"half of it", "50", "%\x1b[K", "\r\x1b[K", "the other half\r\n"},
		},
		"progress bar of windshear": { // one run may be over before it is drawn
			script: `for i in 1 2 3 4 5 6 7 8 9 10; do gridrun -np 2 windshear; done`,
			shows:  []string{"%\x1b[K", "\r\x1b[K", "globe"},
		},
		"no progress bar in a pipe": {
			script: `gridrun -np 2 windshear 2>&1 | cat`,
			shows:  []string{"globe"}, not: "\x1b",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := terminal(t, c.script, c.typed)
			for _, part := range c.shows {
				if !strings.Contains(text, part) {
					t.Errorf("no %q in %q", part, text)
				}
			}
			if c.not != "" && strings.Contains(text, c.not) {
				t.Errorf("%q in %q", c.not, text)
			}
		})
	}
}
