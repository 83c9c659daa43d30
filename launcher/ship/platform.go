package ship

import (
	"fmt"
	"runtime"
	"strings"
)

// A Platform is what a binary is built for, in Go's words.
type Platform struct{ OS, Arch string }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Here is the platform of this process.
func Here() Platform { return Platform{runtime.GOOS, runtime.GOARCH} }

// machines maps what `uname -m` prints to GOARCH.
var machines = map[string]string{
	"x86_64": "amd64", "amd64": "amd64",
	"aarch64": "arm64", "arm64": "arm64",
	"i386": "386", "i486": "386", "i586": "386", "i686": "386",
	"armv6l": "arm", "armv7l": "arm", "armv8l": "arm",
	"ppc64le": "ppc64le", "ppc64": "ppc64", "s390x": "s390x",
	"riscv64": "riscv64", "loongarch64": "loong64",
}

// ParsePlatform understands what `uname -s` and `uname -m` print.
func ParsePlatform(system, machine string) (Platform, error) {
	p := Platform{OS: strings.ToLower(system), Arch: machines[machine]}
	switch p.OS {
	case "linux", "darwin", "freebsd", "netbsd", "openbsd":
	default:
		return p, fmt.Errorf("a host that says it is %q on %q: gridrun runs on Linux", system, machine)
	}
	if p.Arch == "" {
		return p, fmt.Errorf("a host with a %q processor: Go has no such target", machine)
	}
	return p, nil
}

// Uname is the inverse of ParsePlatform: what the host prints for p, with one
// space between. It is "" for a platform of which several spellings exist.
func (p Platform) Uname() string {
	if p.OS != "linux" {
		return ""
	}
	found := ""
	for machine, arch := range machines {
		if arch != p.Arch || machine == "amd64" || machine == "arm64" {
			continue
		}
		if found != "" {
			return ""
		}
		found = "Linux " + machine
	}
	return found
}
