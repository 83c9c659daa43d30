package ship

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/pkg/sftp"
)

const (
	// packet is the payload of a write: OpenSSH's server takes messages of up to
	// 256 KiB, and the protocol's 32 KiB is slower.
	packet = 64 << 10
	// inFlight is how many writes wait for their answer at once.
	inFlight = 64
	// suffixSize is how many random bytes the temporary name of a copy has.
	suffixSize = 8
)

// Options are how a client for [Ship] is to be made.
func Options() []sftp.ClientOption {
	return []sftp.ClientOption{
		sftp.MaxPacketUnchecked(packet),
		sftp.MaxConcurrentRequestsPerFile(inFlight),
		sftp.UseConcurrentWrites(true),
	}
}

// Progress is told how many of total bytes have been read for a host.
type Progress func(done, total int64)

// Ship puts files into the cache directory dir and returns their paths there;
// when any had to be sent, what has long been of no use there goes (see Prune).
// Only bytes that have to be sent count as progress; progress may be nil.
func Ship(ctx context.Context, client *sftp.Client, files []File, dir string, progress Progress) ([]string, error) {
	paths := make([]string, len(files))
	var missing []int
	var total int64
	for i, f := range files {
		paths[i] = path.Join(dir, f.Hash, f.Name)
		if there(client, paths[i], f) {
			now := time.Now()
			client.Chtimes(path.Dir(paths[i]), now, now) // used; Prune goes by that
			continue
		}
		missing = append(missing, i)
		total += f.Size
	}
	count := counter{progress: progress, total: total}
	for _, i := range missing {
		if err := put(ctx, client, files[i], paths[i], &count); err != nil {
			return nil, err
		}
	}
	if len(missing) > 0 {
		// The cache has grown, so what nobody needs goes. That is housekeeping: what
		// cannot be removed now is looked at again when something is brought. The
		// host's clock may be another than ours: what was written last tells its time.
		if info, err := client.Lstat(paths[missing[len(missing)-1]]); err == nil {
			Prune(client, dir, info.ModTime())
		}
	}
	return paths, nil
}

// Stage puts files into dir, which belongs to one job, under their own names.
func Stage(ctx context.Context, client *sftp.Client, files []File, dir string, progress Progress) ([]string, error) {
	paths := make([]string, len(files))
	count := counter{progress: progress}
	seen := map[string]string{}
	for i, f := range files {
		if other, ok := seen[f.Name]; ok {
			return nil, fmt.Errorf("staging %s and %s: both would be named %s on the host", other, f.Path, f.Name)
		}
		seen[f.Name] = f.Path
		paths[i] = path.Join(dir, f.Name)
		count.total += f.Size
	}
	for i, f := range files {
		if err := put(ctx, client, f, paths[i], &count); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// Unstage removes a job's directory with everything in it.
func Unstage(client *sftp.Client, dir string) error {
	if err := client.RemoveAll(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	return nil
}

func there(client *sftp.Client, name string, f File) bool {
	info, err := client.Lstat(name)
	return err == nil && info.Mode().IsRegular() && info.Size() == f.Size
}

// put sends one file: under a temporary name in the same directory, so that the
// final name appears complete or not at all.
func put(ctx context.Context, client *sftp.Client, f File, name string, count *counter) (err error) {
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	temporary := ""
	defer func() {
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		} else {
			err = explain(client, path.Dir(name), f.Size, err)
			if temporary != "" {
				client.Remove(temporary)
			}
		}
		err = fmt.Errorf("shipping %s to %s: %w", f.Name, path.Dir(name), err)
	}()

	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := makeDir(client, path.Dir(name)); err != nil {
		return err
	}
	suffix := make([]byte, suffixSize)
	rand.Read(suffix)
	part := name + "." + hex.EncodeToString(suffix)
	out, err := client.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return err
	}
	temporary = part
	mode := fs.FileMode(0o600)
	if f.Executable {
		mode = 0o700
	}
	if err := out.Chmod(mode); err != nil {
		out.Close()
		return err
	}
	// The plain ReadFrom does not know the size of a counted reader and would
	// wait for every write.
	n, err := out.ReadFromWithConcurrency(io.TeeReader(in, count), inFlight)
	if errClose := out.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		return err
	}
	if err := f.unchanged(in); err != nil {
		return err
	}
	info, err := client.Lstat(part)
	if err != nil {
		return err
	}
	if n != f.Size || info.Size() != f.Size {
		return fmt.Errorf("%d bytes arrived of %d: the file changed, or the host's disk lost some", info.Size(), f.Size)
	}
	if _, ok := client.HasExtension("posix-rename@openssh.com"); ok {
		err = client.PosixRename(part, name)
	} else if err = client.Rename(part, name); err != nil && there(client, name, f) {
		err = client.Remove(part) // the plain rename does not replace what another job has just put there
	}
	if err != nil {
		return err
	}
	temporary = ""
	return nil
}

// makeDir makes the directory and its parents, with 0700 what is new.
func makeDir(client *sftp.Client, dir string) error {
	info, err := client.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is no directory", dir)
	case !errors.Is(err, fs.ErrNotExist) || dir == "/" || dir == ".":
		return err
	}
	if err := makeDir(client, path.Dir(dir)); err != nil {
		return err
	}
	if err := client.Mkdir(dir); err != nil {
		// Another job may have made it meanwhile.
		if info, errStat := client.Stat(dir); errStat == nil && info.IsDir() {
			return nil
		}
		return fmt.Errorf("making %s: %w", dir, err)
	}
	return client.Chmod(dir, 0o700)
}

// explain adds what the file system says to an SFTP failure, which says nothing.
func explain(client *sftp.Client, dir string, need int64, cause error) error {
	if errors.Is(cause, sftp.ErrSSHFxConnectionLost) || errors.Is(cause, io.EOF) {
		return fmt.Errorf("the connection was lost: %w", cause)
	}
	var status *sftp.StatusError
	if !errors.As(cause, &status) && !errors.Is(cause, fs.ErrPermission) {
		return cause
	}
	for {
		fs, err := client.StatVFS(dir)
		if err == nil {
			const readOnly = 1 // SSH_FXE_STATVFS_ST_RDONLY of statvfs@openssh.com
			switch free := int64(fs.Bavail * fs.Frsize); {
			case fs.Flag&readOnly != 0:
				return fmt.Errorf("its file system is read-only (%w)", cause)
			case free < need:
				return fmt.Errorf("the disk is full, %d bytes are needed and %d free (%w)", need, free, cause)
			default:
				return fmt.Errorf("%d bytes are needed and %d free, so a quota or the permissions of the directory may be in the way (%w)", need, free, cause)
			}
		}
		if dir == "/" || dir == "." {
			return cause
		}
		dir = path.Dir(dir)
	}
}

// counter counts what is read from local files.
type counter struct {
	progress    Progress
	done, total int64
}

func (c *counter) Write(b []byte) (int, error) {
	c.done += int64(len(b))
	if c.progress != nil {
		c.progress(c.done, c.total)
	}
	return len(b), nil
}
