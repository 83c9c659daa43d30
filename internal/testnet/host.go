//go:build linux

package testnet

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Host is one host of a net. Its fields must not be changed.
type Host struct {
	Name  string
	Addr  string // IPv4
	Addr6 string // IPv6, empty unless asked for
	Port  int    // of the OpenSSH server; 0 on the front, which has none

	net    *Net
	index  int
	mac    string
	holder *exec.Cmd
}

// PID is the process, as this machine counts, that holds the host's namespaces:
// its process 1. Killing it ends all that runs on the host.
func (h *Host) PID() int { return h.holder.Process.Pid }

// Path is where this machine finds the host's file path.
func (h *Host) Path(path string) string {
	return filepath.Join("/proc", strconv.Itoa(h.PID()), "root", path)
}

// Command returns a command that runs inside the host, with this process's
// environment but the host's home. On a host it starts in the home directory
// and dies with the returned command's process (if that is killed, process 1 of
// this machine reaps it, and Close waits for that); on the front it starts in the
// working directory of this process and is that process, so signals reach it.
// Dir of the result has no effect.
func (h *Host) Command(args ...string) *exec.Cmd {
	nsenter := []string{"-t", strconv.Itoa(h.PID()), "-n", "-u", "-m", "-i"}
	if !h.isFront() {
		nsenter = append(nsenter, "-p", "--wdns="+home, "--", h.net.tools.setpriv, "--pdeathsig", "KILL")
	} else if dir, err := os.Getwd(); err == nil {
		nsenter = append(nsenter, "--wdns="+dir)
	}
	cmd := exec.Command(h.net.tools.nsenter, append(append(nsenter, "--"), args...)...)
	cmd.Env = append(os.Environ(), "HOME="+home, "USER=root", "LOGNAME=root", "HOSTNAME="+h.Name)
	return cmd
}

// Do runs fn on a thread that is in the host's network, mount and UTS
// namespaces. Sockets and files that fn opens itself are the host's and stay
// so; goroutines that it starts run elsewhere. So dial addresses, not names.
func (h *Host) Do(fn func() error) error {
	pid := h.PID()
	return onThread(func() error {
		if err := enter(pid, "net", "uts", "mnt"); err != nil {
			return err
		}
		return fn()
	})
}

// inNet runs a program that reads commands from its standard input in the
// network namespace of process pid.
func inNet(pid int, input string, program string, args ...string) error {
	return onThread(func() error {
		if err := enter(pid, "net"); err != nil {
			return err
		}
		return runWith(input, program, args...)
	})
}

func runWith(input string, program string, args ...string) error {
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("testnet: %s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return nil
}

// start makes the host's namespaces and the process that holds them.
func (h *Host) start() error {
	err := onThread(func() error {
		flags := unix.CLONE_FS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWNS | unix.CLONE_NEWIPC
		if err := unix.Unshare(flags); err != nil {
			return fmt.Errorf("make namespaces: %w", err)
		}
		if err := unix.Sethostname([]byte(h.Name)); err != nil {
			return fmt.Errorf("set the host name: %w", err)
		}
		if err := runWith(h.links(), h.net.tools.ip, "-batch", "-"); err != nil {
			return err
		}
		if err := h.mounts(); err != nil {
			return err
		}
		return h.startHolder()
	})
	if err != nil {
		return fmt.Errorf("testnet: start host %s: %w", h.Name, err)
	}
	return nil
}

// hostScript is process 1 of a host. It waits for cat, which reads until the
// test is over or dead, and meanwhile reaps what other processes leave behind.
const hostScript = `mount -t proc proc /proc || exit 1
exec 3<&0 </dev/null
cat -u <&3 >/dev/null & lifeline=$!
exec 3<&-
"$0" -f ` + confDir + `/sshd_config -E ` + confDir + `/sshd.log || exit 1
wait $lifeline
exit 0`

// lifelineArgs is how the scripts call cat, to tell it from a user's.
var lifelineArgs = []string{"cat", "-u"}

// frontScript holds the front, then ends what was started there. It uses only
// the shell's own commands, so that it finds no child of its own.
const frontScript = `cat -u >/dev/null
again=yes
while [ $again ]; do
  again=
  for p in /proc/[0-9]*; do
    if [ "$p" != /proc/$$ ] && [ $p/ns/net -ef /proc/$$/ns/net ]; then
      kill -9 ${p#/proc/} && again=yes
    fi
  done
done 2>/dev/null
rm -rf "$0"
exit 0`

// startHolder starts the process that keeps the namespaces of this thread. It is
// in a process group of its own: a terminal's Ctrl-C is not for it.
func (h *Host) startHolder() error {
	var cmd *exec.Cmd
	if !h.isFront() {
		cmd = exec.Command(h.net.tools.sh, "-c", hostScript, h.net.tools.sshd, h.net.dir) // the last tells nets apart in ps
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID, Setpgid: true}
	} else {
		cmd = exec.Command(h.net.tools.sh, "-c", frontScript, h.net.dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	cmd.Stdin = h.net.stdin
	cmd.Dir = "/"
	cmd.Env = []string{"HOME=" + home, "PATH=" + hostPath}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the holder: %w", err)
	}
	h.holder = cmd
	return nil
}

// awaitBanner waits until the host's sshd answers the front.
func (h *Host) awaitBanner(ctx context.Context) error {
	pause := 2 * time.Millisecond
	for {
		err := h.net.front.Do(func() error { return readBanner(ctx, h.Addr, h.Port) })
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			log, _ := os.ReadFile(h.Path(confDir + "/sshd.log"))
			return fmt.Errorf("testnet: the ssh server of %s does not answer: %w: %s", h.Name, err, log)
		case <-time.After(pause):
			pause = min(2*pause, 100*time.Millisecond)
		}
	}
}

func readBanner(ctx context.Context, addr string, port int) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp4", net.JoinHostPort(addr, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "SSH-2.0-") {
		err = errors.New("it greets with " + strconv.Quote(line))
	}
	return err
}
