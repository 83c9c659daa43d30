package ssh

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/agents"
	"gridrun/launcher/ship"
	"gridrun/launcher/ssh/script"
	"gridrun/launcher/ssh/sshconn"
)

// guard is the part of gridrun's binary that is an agent.
const guard = "__guard"

// boot makes one exec of a connection an agent, or another part of gridrun that
// talks over its standard streams. shipped says that the binary had
// to be brought.
func (s *Starter) boot(w *sshconn.Watch, conn sshconn.Connection, host, verb string) (_ *Agent, shipped bool, err error) {
	w.Enter(sshconn.StageExec, s.execLimit())
	// Only a host like this one can have a hash that is known without work.
	known := map[ship.Platform]ship.File{}
	if f, err := s.options.Agent(w.Ctx, ship.Here()); err == nil {
		known[ship.Here()] = f
	}
	random := make([]byte, 8)
	rand.Read(random)
	marker := "@gridrun-" + hex.EncodeToString(random)
	p, err := conn.Exec(script.Command)
	if err != nil {
		return nil, false, w.Why(err)
	}
	if _, err := io.WriteString(p.In, script.FirstLine(marker, verb, s.options.Dir, known)); err != nil {
		defer p.Kill()
		return nil, false, s.ended(w, p, nil)
	}
	b := &booting{starter: s, watch: w, conn: conn, host: host, process: p, out: bufio.NewReader(p.Out), marker: marker}
	agent, err := b.run()
	if err != nil {
		p.Kill()
	}
	return agent, b.shipped, err
}

// execLimit is the deadline of the exec stage; OpenSSH connects in it too.
func (s *Starter) execLimit() (limit time.Duration) {
	d := s.options.Deadlines
	if s.options.Command != "" {
		return d.Connect + d.Handshake + d.Auth + d.Exec
	}
	return d.Exec
}

// booting is the talk with the script on a host.
type booting struct {
	starter *Starter
	watch   *sshconn.Watch
	conn    sshconn.Connection
	host    string
	process *sshconn.Process
	out     *bufio.Reader
	marker  string
	noise   []byte   // what others printed
	notes   []string // why directories were passed over
	shipped bool
}

func (b *booting) run() (*Agent, error) {
	for {
		a, err := b.next()
		if err != nil {
			return nil, err
		}
		switch a.Word {
		case "skip":
			b.notes = append(b.notes, fmt.Sprintf("%s: %s", a.Dir, a.Reason))
			continue
		case "none":
			return nil, &sshconn.Error{Host: b.host, Stage: sshconn.StageShip, Err: fmt.Errorf("no directory there can hold the agent: %s", strings.Join(b.notes, "; ")), Try: "set GRIDRUN_HOME there to a directory that is yours, has room and allows programs"}
		}
		platform, err := ship.ParsePlatform(a.System, a.Machine)
		if err != nil {
			return nil, &sshconn.Error{Host: b.host, Stage: sshconn.StageShip, Err: err}
		}
		if a.Word == "need" {
			ok, err := b.bring(platform, a.Dir)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if len(b.notes) > 0 {
				b.starter.options.Notice(fmt.Sprintf("%s: gridrun's files are in %s, because others cannot be used (%s)", b.host, a.Dir, strings.Join(b.notes, "; ")))
			}
		}
		return &Agent{
			Writer:  b.process.In,
			Files:   b.files(platform, a.Dir),
			out:     b.out,
			process: b.process,
			conn:    b.conn,
		}, nil
	}
}

// files brings what the host lacks to its directory dir.
func (b *booting) files(platform ship.Platform, dir string) Files {
	f := Files{
		Platform: platform,
		Dir:      dir,
		Host:     b.host,
		Stall:    b.starter.options.Deadlines.Stall,
		Progress: b.starter.options.Progress,
		Open:     b.sftp,
		Abort:    b.conn.Close, // a client that hangs is woken only with the connection
	}
	if t, is := b.conn.(*through); is {
		f.onward = t.push
	}
	return f
}

func (b *booting) sftp() (*sftp.Client, func(), error) { return openSFTP(b.conn) }

// next is the script's next answer.
func (b *booting) next() (script.Answer, error) {
	var line []byte
	for {
		part, err := b.out.ReadSlice('\n')
		line = append(line, part...)
		if len(line)+len(b.noise) > maxNoise {
			return script.Answer{}, b.watch.Why(fmt.Errorf("the host prints other things than the agent's answer: %q...", b.noise[:min(len(b.noise), 200)]))
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			b.noise = append(b.noise, line...)
			return script.Answer{}, b.starter.ended(b.watch, b.process, b.noise)
		}
		if a, ok := script.ParseAnswer(string(line), b.marker); ok {
			return a, nil
		}
		b.noise = append(b.noise, line...)
		line = line[:0]
	}
}

// bring ships the agent to dir and has it started; false: the host is asked for
// another directory.
func (b *booting) bring(platform ship.Platform, dir string) (bool, error) {
	w, s := b.watch, b.starter
	w.Enter(sshconn.StageShip, 0) // building for another platform may take long
	file, err := s.options.Agent(w.Ctx, platform)
	if err != nil {
		return false, &sshconn.Error{Host: b.host, Stage: sshconn.StageShip, Err: w.Why(err)}
	}
	w.Enter(sshconn.StageShip, s.options.Deadlines.Stall)
	b.shipped = true
	there := b.files(platform, dir)
	_, err = there.put(w, []ship.File{file})
	if err != nil && (w.Ctx.Err() != nil || errors.Is(err, errNoSFTP)) {
		return false, err
	}
	reply := "go " + file.Hash + "\n"
	if err != nil {
		b.notes = append(b.notes, fmt.Sprintf("%s: %v", dir, err))
		reply = "next\n"
	}
	w.Enter(sshconn.StageExec, s.options.Deadlines.Exec)
	if _, errWrite := io.WriteString(b.process.In, reply); errWrite != nil {
		return false, s.ended(w, b.process, b.noise)
	}
	return err == nil, nil
}

// ended explains a process that ended before it was an agent.
func (s *Starter) ended(w *sshconn.Watch, p *sshconn.Process, noise []byte) error {
	if w.Ctx.Err() != nil {
		return context.Cause(w.Ctx)
	}
	unread, _ := io.ReadAll(io.LimitReader(p.Out, maxNoise)) // it may have ended while it was written to
	noise = append(slices.Clip(noise), unread...)
	io.Copy(io.Discard, p.Out)
	how := p.Wait()
	said := p.Said.String()
	if noise := bytes.TrimSpace(noise); len(noise) > 0 {
		said = string(noise) + "\n" + said
	}
	switch {
	case w.Ctx.Err() != nil:
		return context.Cause(w.Ctx)
	case how == nil:
		how = errors.New("the login shell ended without executing the command")
	case errors.Is(how, agents.ErrCut) && s.options.Command != "":
		how = fmt.Errorf("%s could not connect, or lost the connection", s.options.Command)
	case errors.Is(how, agents.ErrCut):
	default:
		how = fmt.Errorf("the command ended before the agent ran: %w", how)
	}
	return &saying{how, said}
}

// saying is an error with what the host printed.
type saying struct {
	error
	said string
}

func (s *saying) Unwrap() error { return s.error }
