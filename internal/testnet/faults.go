//go:build linux

package testnet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Process is a process that runs on a host.
type Process struct {
	PID  int // as this machine counts, so that a test can signal it
	PPID int
	Name string // of the executable, at most 15 bytes
	Args []string
}

// Processes lists what runs on the host, ordered by PID, without what the net
// itself runs there: process 1, its helper and the listening sshd. The sshd
// processes of sessions are listed.
func (h *Host) Processes() ([]Process, error) {
	all, err := processesOf(h)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all[h], h.isOwn), nil
}

// processesOf finds all processes of hosts by their network namespaces.
func processesOf(hosts ...*Host) (map[*Host][]Process, error) {
	byNet := map[string]*Host{}
	for _, h := range hosts {
		// Of a dead host there is no namespace left, and no process.
		if link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", h.PID())); err == nil {
			byNet[link] = h
		}
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("testnet: list the processes: %w", err)
	}
	found := map[*Host][]Process{}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if h := byNet[link]; err == nil && h != nil {
			if p, ok := readProcess(pid); ok {
				found[h] = append(found[h], p)
			}
		}
	}
	for _, list := range found {
		slices.SortFunc(list, func(a, b Process) int { return a.PID - b.PID })
	}
	return found, nil
}

// readProcess reports false if the process has ended.
func readProcess(pid int) (Process, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, false
	}
	args, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return Process{}, false
	}
	return parseProcess(pid, string(stat), string(args))
}

// parseProcess understands /proc/PID/stat, "PID (name) state PPID ...", where a
// name may have blanks and parentheses.
func parseProcess(pid int, stat, args string) (Process, bool) {
	open, end := strings.IndexByte(stat, '('), strings.LastIndexByte(stat, ')')
	if open < 0 || end < open {
		return Process{}, false
	}
	fields := strings.Fields(stat[end+1:])
	if len(fields) < 2 {
		return Process{}, false
	}
	ppid, err := strconv.Atoi(fields[1])
	if err != nil {
		return Process{}, false
	}
	p := Process{PID: pid, PPID: ppid, Name: stat[open+1 : end]}
	if args = strings.TrimSuffix(args, "\x00"); args != "" {
		p.Args = strings.Split(args, "\x00")
	}
	return p, true
}

// isOwn reports whether p runs on h because of the net.
func (h *Host) isOwn(p Process) bool {
	if p.PID == h.PID() {
		return true
	}
	return p.PPID == h.PID() && (slices.Equal(p.Args, lifelineArgs) || p.Name == "sshd" && strings.Contains(strings.Join(p.Args, " "), "[listener]"))
}

// Kill ends host i in a moment, with all its processes, as a power cut: the
// link is down first, so that no other host hears of it. It does not come back.
func (n *Net) Kill(i int) error {
	if err := n.Cut(i); err != nil {
		return err
	}
	if err := n.hosts[i].holder.Process.Kill(); err != nil {
		return fmt.Errorf("testnet: kill host %s: %w", n.hosts[i].Name, err)
	}
	return nil
}

// StopSSHD kills the host's ssh server and, at the same time, its sessions'
// processes of the server, and waits until their sockets are closed: who
// connects from then on is refused. What the sessions started is not touched.
func (h *Host) StopSSHD() error {
	for {
		all, err := processesOf(h)
		if err != nil {
			return err
		}
		var servers []*server
		var errs []error
		for _, p := range all[h] {
			if p.Name == "sshd" || p.Name == "sshd-session" {
				s, err := openServer(p.PID)
				if err != nil {
					errs = append(errs, fmt.Errorf("testnet: an sshd of %s: %w", h.Name, err))
				} else if s != nil {
					servers = append(servers, s)
				}
			}
		}
		for _, s := range servers {
			errs = append(errs, s.kill())
		}
		for _, s := range servers {
			errs = append(errs, s.awaitEnd())
		}
		// One that was killed may have started another since we looked.
		if err := errors.Join(errs...); err != nil || len(servers) == 0 {
			return err
		}
	}
}

// RefuseKey has the host let nobody in any more whose key it took before.
func (h *Host) RefuseKey() error {
	if err := os.WriteFile(h.Path(confDir+"/authorized_keys"), nil, 0o600); err != nil {
		return fmt.Errorf("testnet: %w", err)
	}
	return nil
}

// StartSSHD starts the host's ssh server again and waits until it answers.
func (h *Host) StartSSHD() error {
	cmd := h.Command(h.net.tools.sshd, "-f", confDir+"/sshd_config", "-E", confDir+"/sshd.log")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("testnet: start the sshd of %s: %w", h.Name, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return h.awaitBanner(ctx)
}

// Remount changes one of the host's own file systems ("/root", "/tmp",
// "/var/tmp", "/dev/shm"): options is "ro", "rw", "noexec", "exec", or
// "size=64k" for one that is soon full.
func (h *Host) Remount(dir, options string) error {
	out, err := h.Command("mount", "-o", "remount,"+options, dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("testnet: remount %s of %s with %s: %w: %s", dir, h.Name, options, err, out)
	}
	return nil
}

// SetHome gives root another home on the host, which need not exist.
func (h *Host) SetHome(dir string) error {
	path := h.Path(confDir + "/passwd")
	passwd, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, []byte(rootHome(string(passwd), dir)), 0o644)
	}
	if err != nil {
		return fmt.Errorf("testnet: set the home on %s: %w", h.Name, err)
	}
	return nil
}
