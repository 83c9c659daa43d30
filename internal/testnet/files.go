//go:build linux

package testnet

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	home     = "/root"
	confDir  = "/run/testnet" // on each host: what its sshd needs
	hostPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// etc holds the files that all hosts show in /etc, besides hosts and passwd.
var etc = map[string]string{
	"nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\nprotocols: files\n",
	"resolv.conf":   "# no name server: the names are in /etc/hosts\n",
	"shadow":        "root:*:20000:0:99999:7:::\n", // no password, yet not locked
}

// writeFiles fills the net's directory.
func (n *Net) writeFiles() error {
	passwd, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return fmt.Errorf("testnet: %w", err)
	}
	files := map[string]string{
		"etc/hosts":   n.hostsFile(),
		"etc/passwd":  rootHome(string(passwd), home),
		"id_ed25519":  string(n.keys.clientPrivate),
		"known_hosts": n.knownHosts(),
		"ssh_config":  n.sshConfig(n.dir),
	}
	for name, text := range etc {
		files["etc/"+name] = text
	}
	if err := os.Mkdir(filepath.Join(n.dir, "etc"), 0o755); err != nil {
		return fmt.Errorf("testnet: %w", err)
	}
	for name, text := range files {
		mode := os.FileMode(0o644)
		if name == "id_ed25519" || name == "etc/shadow" {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(n.dir, name), []byte(text), mode); err != nil {
			return fmt.Errorf("testnet: %w", err)
		}
	}
	return nil
}

func (n *Net) hostsFile() string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, h := range append([]*Host{n.front}, n.hosts...) {
		fmt.Fprintf(&b, "%s %s\n", h.Addr, h.Name)
		if h.Addr6 != "" {
			fmt.Fprintf(&b, "%s %s\n", h.Addr6, h.Name)
		}
	}
	return b.String()
}

// rootHome returns the text of a passwd file with another home for root.
func rootHome(passwd, dir string) string {
	lines := strings.Split(passwd, "\n")
	for i, line := range lines {
		if fields := strings.Split(line, ":"); fields[0] == "root" && len(fields) == 7 {
			fields[5] = dir
			lines[i] = strings.Join(fields, ":")
		}
	}
	return strings.Join(lines, "\n")
}

// mounts gives the calling thread's mount namespace the host's own files.
func (h *Host) mounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	for _, name := range []string{"hosts", "nsswitch.conf", "resolv.conf", "shadow"} {
		if err := bind(filepath.Join(h.net.dir, "etc", name), "/etc/"+name); err != nil {
			return err
		}
	}
	keep := h.net.cfg.Share
	disks := map[string]string{home: "700", "/dev/shm": "1777", "/run": "755"}
	if !h.isFront() {
		disks["/tmp"], disks["/var/tmp"] = "1777", "1777"
	} else {
		keep = append(append(goDirs(), workDir(), h.net.dir), keep...)
	}
	passwd, err := os.ReadFile(filepath.Join(h.net.dir, "etc", "passwd"))
	if err != nil {
		return err
	}
	kept, err := openAll(keep)
	defer kept.close()
	if err != nil {
		return err
	}
	for dir, mode := range disks {
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode="+mode+",size="+h.net.cfg.DiskSize); err != nil {
			return fmt.Errorf("mount a tmpfs on %s: %w", dir, err)
		}
	}
	if err := kept.bindBack(); err != nil {
		return err
	}
	return h.ownFiles(string(passwd))
}

// ownFiles writes what is in the host's fresh file systems at the start.
func (h *Host) ownFiles(passwd string) error {
	files := map[string]string{confDir + "/passwd": passwd}
	if !h.isFront() {
		files[confDir+"/sshd_config"] = fmt.Sprintf(sshdConfig, h.Port)
		files[confDir+"/host_key"] = string(h.net.keys.hostPrivate[h.index])
		files[confDir+"/authorized_keys"] = h.net.keys.clientPublic
	}
	if h.isFront() || h.net.cfg.Mutual {
		ssh := filepath.Join(home, ".ssh")
		files[ssh+"/id_ed25519"] = string(h.net.keys.clientPrivate)
		files[ssh+"/known_hosts"] = h.net.knownHosts()
		files[ssh+"/config"] = h.net.sshConfig(ssh)
	}
	for _, dir := range []string{"/run/sshd", "/run/lock", confDir, filepath.Join(home, ".ssh"), filepath.Join(home, ".cache")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(home, ".ssh"), 0o700); err != nil {
		return err
	}
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := os.Chmod(confDir+"/passwd", 0o644); err != nil {
		return err
	}
	return bind(confDir+"/passwd", "/etc/passwd")
}

// goDirs lists the directories below the home that the Go toolchain needs, so
// that programs can be built on the front.
func goDirs() []string {
	candidates := []string{os.Getenv("GOCACHE"), os.Getenv("GOMODCACHE"), filepath.Join(home, "go")}
	if cache, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, filepath.Join(cache, "go-build"))
	}
	if config, err := os.UserConfigDir(); err == nil {
		candidates = append(candidates, filepath.Join(config, "go"))
	}
	var dirs []string
	for _, dir := range candidates {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// workDir is the root of the Go module that this process works in, or else its
// working directory.
func workDir() string {
	work, err := os.Getwd()
	if err != nil {
		return "/"
	}
	for dir := work; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	return work
}

func bind(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %s on %s: %w", from, to, err)
	}
	return nil
}

// kept are files and directories that must be seen again at their place after
// a fresh file system has been mounted over it.
type kept struct {
	paths []string
	files []*os.File
}

func openAll(paths []string) (*kept, error) {
	k := &kept{}
	for _, path := range paths {
		f, err := os.OpenFile(path, unix.O_PATH, 0)
		if err != nil {
			return k, err
		}
		k.paths, k.files = append(k.paths, path), append(k.files, f)
	}
	return k, nil
}

func (k *kept) bindBack() error {
	for i, path := range k.paths {
		var before, now unix.Stat_t
		if err := unix.Fstat(int(k.files[i].Fd()), &before); err != nil {
			return fmt.Errorf("stat %s: %w", path, err)
		}
		if unix.Stat(path, &now) == nil && now.Dev == before.Dev && now.Ino == before.Ino {
			continue // still in sight
		}
		if before.Mode&unix.S_IFMT == unix.S_IFDIR {
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
		} else {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, nil, 0o644); err != nil {
				return err
			}
		}
		if err := bind(fmt.Sprintf("/proc/thread-self/fd/%d", k.files[i].Fd()), path); err != nil {
			return err
		}
	}
	return nil
}

func (k *kept) close() {
	for _, f := range k.files {
		f.Close()
	}
}
