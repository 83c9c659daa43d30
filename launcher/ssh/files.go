package ssh

import (
	"context"
	"errors"
	"fmt"
	"gridrun/launcher/ssh/sshconn"
	"io"
	"path"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/ship"
)

// Files brings files to one host.
type Files struct {
	// Platform is what programs for the host are built for.
	Platform ship.Platform
	// Dir is the cache directory on the host.
	Dir string
	// Host is its name in messages.
	Host string
	// Stall is how long a transfer may go without a byte.
	Stall time.Duration
	// Progress is told of bytes that are there; nil: nobody is told.
	Progress func(host string, done, total int64)
	// Open opens SFTP to the host; its second result ends it.
	Open func() (*sftp.Client, func(), error)
	// Abort wakes a client that hangs.
	Abort func()
	// onward has the host that this one is reached through bring the files; false:
	// it cannot. nil: there is no such host.
	onward func(w *sshconn.Watch, to *Files, files []ship.File) (paths []string, ok bool, err error)
}

// Ship brings files to the host's cache and returns their paths there.
func (f *Files) Ship(ctx context.Context, sources ...ship.Source) ([]string, error) {
	var found []ship.File
	for _, source := range sources {
		file, err := source(ctx, f.Platform)
		if err != nil {
			return nil, &sshconn.Error{Host: f.Host, Stage: sshconn.StageShip, Err: err}
		}
		found = append(found, file)
	}
	return f.bring(ctx, found)
}

// bring brings files to the host's cache and returns their paths there.
func (f *Files) bring(ctx context.Context, files []ship.File) (paths []string, err error) {
	err = f.watched(ctx, func(w *sshconn.Watch) error {
		paths, err = f.put(w, files)
		return err
	})
	return paths, err
}

// put is bring in the stage of w.
func (f *Files) put(w *sshconn.Watch, files []ship.File) (paths []string, err error) {
	if f.onward != nil {
		if paths, ok, err := f.onward(w, f, files); ok {
			return paths, err
		}
	}
	err = transfer(w, f.Open, f.Host, f.Progress, func(ctx context.Context, client *sftp.Client, p ship.Progress) (err error) {
		paths, err = ship.Ship(ctx, client, files, f.Dir, p)
		return err
	})
	return paths, err
}

// StageDir is where Stage puts the inputs of a job.
func (f *Files) StageDir(job string) string { return path.Join(f.Dir, "jobs", job) }

// Stage brings inputs to a directory of one job and returns it with their paths.
func (f *Files) Stage(ctx context.Context, job string, files []ship.File) (dir string, paths []string, err error) {
	dir = f.StageDir(job)
	err = f.transfer(ctx, func(ctx context.Context, client *sftp.Client, p ship.Progress) (err error) {
		paths, err = ship.Stage(ctx, client, files, dir, p)
		return err
	})
	return dir, paths, err
}

// Unstage removes what Stage has brought.
func (f *Files) Unstage(ctx context.Context, job string) error {
	return f.transfer(ctx, func(_ context.Context, client *sftp.Client, _ ship.Progress) error {
		return ship.Unstage(client, f.StageDir(job))
	})
}

func (f *Files) transfer(ctx context.Context, do func(context.Context, *sftp.Client, ship.Progress) error) error {
	return f.watched(ctx, func(w *sshconn.Watch) error { return transfer(w, f.Open, f.Host, f.Progress, do) })
}

// abortAfter is how long a transfer that is given up gets to end in order. Cut at
// once, the server on a busy host may carry out what it has been sent when whoever
// cleans up has been there already: a job's directory would stay.
const abortAfter = time.Second

// watched is do with a deadline for every pause.
func (f *Files) watched(ctx context.Context, do func(w *sshconn.Watch) error) error {
	w := sshconn.NewWatch(ctx)
	defer w.Stop()
	w.Enter(sshconn.StageShip, f.Stall)
	done := make(chan struct{})
	defer close(done)
	stop := context.AfterFunc(w.Ctx, func() {
		select {
		case <-done:
		case <-time.After(abortAfter):
			f.Abort()
		}
	})
	defer stop()
	if err := do(w); err != nil {
		return &sshconn.Error{Host: f.Host, Stage: sshconn.StageShip, Err: err}
	}
	return nil
}

// errNoSFTP: files cannot be brought to any directory of the host.
var errNoSFTP = errors.New("the host offers no SFTP")

// transfer opens SFTP for do. Every byte of progress keeps the watch quiet.
func transfer(w *sshconn.Watch, open func() (*sftp.Client, func(), error), host string, progress func(string, int64, int64), do func(context.Context, *sftp.Client, ship.Progress) error) error {
	client, end, err := open()
	if err != nil {
		return w.Why(fmt.Errorf("%w: %w; it is `Subsystem sftp` in the host's sshd_config, Debian's package openssh-sftp-server", errNoSFTP, err))
	}
	defer end()
	return w.Why(do(w.Ctx, client, func(done, total int64) {
		w.Alive()
		if progress != nil {
			progress(host, done, total)
		}
	}))
}

// openSFTP is a client on a channel of its own.
func openSFTP(conn sshconn.Connection) (*sftp.Client, func(), error) {
	p, err := conn.Subsystem("sftp")
	if err != nil {
		return nil, nil, err
	}
	client, err := NewSFTP(p.Out, p.In)
	if err != nil {
		p.Kill()
		io.Copy(io.Discard, p.Out)
		p.Wait()
		if said := p.Said.String(); said != "" {
			err = fmt.Errorf("%w; ssh said: %s", err, said)
		}
		return nil, nil, err
	}
	return client, func() {
		client.Close()
		p.Kill()
		p.Wait()
	}, nil
}

// NewSFTP is a client of the SFTP server at the other end of r and w.
func NewSFTP(r io.Reader, w io.WriteCloser) (*sftp.Client, error) {
	return sftp.NewClientPipe(&afterNoise{r: r}, w, ship.Options()...)
}

// maxNoise bounds what start-up files may print before anything of ours.
const maxNoise = 64 << 10

// versionReply is an SFTP server's first packet, of version 3, after two bytes
// of its length: the only version that OpenSSH and pkg/sftp speak.
var versionReply = [5]byte{2, 0, 0, 0, 3}

// afterNoise drops what comes before an SFTP server's first packet: start-up
// files of the login shell run before sftp-server too.
type afterNoise struct {
	r      io.Reader
	window []byte // what was read and has not been passed on
	found  bool
}

func (a *afterNoise) Read(b []byte) (int, error) {
	for dropped := 0; !a.found; dropped++ {
		if len(a.window) == 9 { // length (4 bytes, at most 64 KiB), type, version
			if dropped > maxNoise {
				return 0, errors.New("no SFTP server answers, only other output")
			}
			a.window = a.window[1:]
		}
		one := make([]byte, 9-len(a.window))
		n, err := io.ReadFull(a.r, one)
		a.window = append(a.window, one[:n]...)
		if err != nil {
			return 0, err
		}
		a.found = a.window[0] == 0 && a.window[1] == 0 && [5]byte(a.window[4:]) == versionReply
	}
	if len(a.window) > 0 {
		n := copy(b, a.window)
		a.window = a.window[n:]
		return n, nil
	}
	return a.r.Read(b)
}
