package ship

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A File is content that is to be on a host.
type File struct {
	Name       string // on the host, without a directory
	Path       string // on this machine
	Hash       string // SHA-256 of the content, hexadecimal
	Size       int64  // bytes
	Executable bool

	modified time.Time // when Hash was computed; zero: not known
}

// ReadFile describes the file at path, which it reads once for the hash.
func ReadFile(path, name string) (File, error) {
	f := File{Name: name, Path: path}
	if name == "" || name == "." || name == ".." || strings.Contains(name, "/") {
		return f, fmt.Errorf("%q cannot name a file in a directory of a host", name)
	}
	in, err := os.Open(path)
	if err != nil {
		return f, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return f, err
	}
	if !info.Mode().IsRegular() {
		return f, fmt.Errorf("%s is no regular file, only those can be shipped", path)
	}
	f.modified = info.ModTime()
	sum := sha256.New()
	if f.Size, err = io.Copy(sum, in); err != nil {
		return f, fmt.Errorf("reading %s: %w", path, err)
	}
	f.Hash = hex.EncodeToString(sum.Sum(nil))
	f.Executable = info.Mode()&0o111 != 0
	return f, nil
}

// unchanged says whether in, which has been sent, is the file that was hashed:
// other bytes would be taken for it as long as they are in the cache. A file of
// the same time is; one that another job has put there anew is read again.
func (f File) unchanged(in *os.File) error {
	if info, err := in.Stat(); err != nil || f.modified.IsZero() || info.ModTime().Equal(f.modified) {
		return err
	}
	sum := sha256.New()
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(sum, in); err != nil {
		return err
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.Hash {
		return errors.New("the file changed while it was being brought; start again when it is complete")
	}
	return nil
}

// A Source gives the file that hosts of a platform need. It may be asked by
// many at once; the work is done once for each platform.
type Source func(ctx context.Context, p Platform) (File, error)

// A Build makes a binary for a platform and returns where it lies.
type Build func(ctx context.Context, p Platform) (path string, err error)

// Self is the running binary for hosts like this one. For others it is built;
// without a build the error says what is missing.
func Self(name string, build Build) Source {
	return once(func(ctx context.Context, p Platform) (File, error) {
		path := "/proc/self/exe"
		switch {
		case p == Here():
		case build == nil:
			return File{}, fmt.Errorf("the host is %v, this gridrun is built for %v: a Go toolchain and gridrun's source, or a gridrun built for %v, are needed to make one", p, Here(), p)
		default:
			var err error
			if path, err = build(ctx, p); err != nil {
				return File{}, fmt.Errorf("building gridrun for %v: %w", p, err)
			}
		}
		f, err := ReadFile(path, name)
		f.Executable = true
		return f, err
	})
}

// Built is a program that is built for every platform.
func Built(name string, build Build) Source {
	return once(func(ctx context.Context, p Platform) (File, error) {
		path, err := build(ctx, p)
		if err != nil {
			return File{}, fmt.Errorf("building %s for %v: %w", name, p, err)
		}
		f, err := ReadFile(path, name)
		f.Executable = true
		return f, err
	})
}

// Executable is the program at path, which runs only where its binary format
// fits; scripts run everywhere.
func Executable(path string) Source {
	read := sync.OnceValues(func() (File, error) {
		f, err := ReadFile(path, filepath.Base(path))
		f.Executable = true
		return f, err
	})
	return func(_ context.Context, p Platform) (File, error) {
		if arch := elfArch(path); arch != "" && (p.OS != "linux" || arch != p.Arch) {
			return File{}, fmt.Errorf("%s is built for linux/%s and the host is %v: give the directory of a Go main package, or name hosts of one kind", path, arch, p)
		}
		return read()
	}
}

// elfMachines has the ELF machines of [machines]. Byte order tells two of them apart.
var elfMachines = map[elf.Machine]string{
	elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_386: "386", elf.EM_ARM: "arm",
	elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x", elf.EM_RISCV: "riscv64", elf.EM_LOONGARCH: "loong64",
}

// elfArch is the GOARCH of an ELF binary, "" for anything else.
func elfArch(path string) string {
	f, err := elf.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if f.Machine == elf.EM_PPC64 && f.Data == elf.ELFDATA2MSB {
		return "ppc64"
	}
	return elfMachines[f.Machine]
}

// once asks make one time for each platform. Only an answer for a caller that
// was still there is kept.
func once(make Source) Source {
	type entry struct {
		mu   sync.Mutex
		done bool
		file File
		err  error
	}
	var mu sync.Mutex
	entries := map[Platform]*entry{}
	return func(ctx context.Context, p Platform) (File, error) {
		mu.Lock()
		e := entries[p]
		if e == nil {
			e = new(entry)
			entries[p] = e
		}
		mu.Unlock()
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.done {
			return e.file, e.err
		}
		file, err := make(ctx, p)
		if err != nil && ctx.Err() != nil {
			return file, errors.Join(err, ctx.Err())
		}
		e.file, e.err, e.done = file, err, true
		return file, err
	}
}
