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
	"strings"
	"time"

	"github.com/pkg/sftp"

	"gridrun/launcher/agents"
	"gridrun/launcher/ship"
)

// guard is the part of gridrun's binary that is an agent.
const guard = "__guard"

// boot makes one exec of a connection an agent, or another part of gridrun that
// talks over its standard streams. shipped says that the binary had
// to be brought.
func (s *Starter) boot(w *watch, conn connection, host, verb string) (_ *Agent, shipped bool, err error) {
	w.enter(StageExec, s.execLimit())
	// Only a host like this one can have a hash that is known without work.
	known := map[ship.Platform]ship.File{}
	if f, err := s.options.Agent(w.ctx, ship.Here()); err == nil {
		known[ship.Here()] = f
	}
	random := make([]byte, 8)
	rand.Read(random)
	marker := "@gridrun-" + hex.EncodeToString(random)
	p, err := conn.exec(command)
	if err != nil {
		return nil, false, w.why(err)
	}
	if _, err := io.WriteString(p.in, firstLine(marker, verb, s.options.Dir, known)); err != nil {
		defer p.kill()
		return nil, false, s.ended(w, p, nil)
	}
	b := &booting{starter: s, watch: w, conn: conn, host: host, process: p, out: bufio.NewReader(p.out), marker: marker}
	agent, err := b.run()
	if err != nil {
		p.kill()
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
	watch   *watch
	conn    connection
	host    string
	process *process
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
		switch a.word {
		case "skip":
			b.notes = append(b.notes, fmt.Sprintf("%s: %s", a.dir, a.reason))
			continue
		case "none":
			return nil, &Error{Host: b.host, Stage: StageShip, Err: fmt.Errorf("no directory there can hold the agent: %s", strings.Join(b.notes, "; ")), Try: "set GRIDRUN_HOME there to a directory that is yours, has room and allows programs"}
		}
		platform, err := ship.ParsePlatform(a.system, a.machine)
		if err != nil {
			return nil, &Error{Host: b.host, Stage: StageShip, Err: err}
		}
		if a.word == "need" {
			ok, err := b.bring(platform, a.dir)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if len(b.notes) > 0 {
				b.starter.options.Notice(fmt.Sprintf("%s: gridrun's files are in %s, because others cannot be used (%s)", b.host, a.dir, strings.Join(b.notes, "; ")))
			}
		}
		return &Agent{
			Writer:  b.process.in,
			Files:   b.files(platform, a.dir),
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
		Abort:    b.conn.close, // a client that hangs is woken only with the connection
	}
	if t, is := b.conn.(*through); is {
		f.onward = t.push
	}
	return f
}

func (b *booting) sftp() (*sftp.Client, func(), error) { return openSFTP(b.conn) }

// next is the script's next answer.
func (b *booting) next() (answer, error) {
	var line []byte
	for {
		part, err := b.out.ReadSlice('\n')
		line = append(line, part...)
		if len(line)+len(b.noise) > maxNoise {
			return answer{}, b.watch.why(fmt.Errorf("the host prints other things than the agent's answer: %q...", b.noise[:min(len(b.noise), 200)]))
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			b.noise = append(b.noise, line...)
			return answer{}, b.starter.ended(b.watch, b.process, b.noise)
		}
		if a, ok := parseAnswer(string(line), b.marker); ok {
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
	w.enter(StageShip, 0) // building for another platform may take long
	file, err := s.options.Agent(w.ctx, platform)
	if err != nil {
		return false, &Error{Host: b.host, Stage: StageShip, Err: w.why(err)}
	}
	w.enter(StageShip, s.options.Deadlines.Stall)
	b.shipped = true
	there := b.files(platform, dir)
	_, err = there.put(w, []ship.File{file})
	if err != nil && (w.ctx.Err() != nil || errors.Is(err, errNoSFTP)) {
		return false, err
	}
	reply := "go " + file.Hash + "\n"
	if err != nil {
		b.notes = append(b.notes, fmt.Sprintf("%s: %v", dir, err))
		reply = "next\n"
	}
	w.enter(StageExec, s.options.Deadlines.Exec)
	if _, errWrite := io.WriteString(b.process.in, reply); errWrite != nil {
		return false, s.ended(w, b.process, b.noise)
	}
	return err == nil, nil
}

// ended explains a process that ended before it was an agent.
func (s *Starter) ended(w *watch, p *process, noise []byte) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	io.Copy(io.Discard, p.out)
	how := p.wait()
	said := p.said.String()
	if noise := bytes.TrimSpace(noise); len(noise) > 0 {
		said = string(noise) + "\n" + said
	}
	switch {
	case w.ctx.Err() != nil:
		return context.Cause(w.ctx)
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
