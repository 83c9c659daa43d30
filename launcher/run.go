package launcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gridrun/internal/wire"
	"gridrun/launcher/agents"
	"gridrun/launcher/gather"
	"gridrun/launcher/job"
	"gridrun/launcher/observe"
	"gridrun/launcher/output"
	"gridrun/launcher/registry"
	"gridrun/launcher/stdin"
)

// IO is what a running job shares with the launcher's own process.
type IO struct {
	Stdin          *os.File // nil: none
	Stdout, Stderr io.Writer
	// Signals that the launcher's process gets; nil: none. SIGINT, SIGTERM and
	// SIGHUP end the job, SIGQUIT shows what ranks are blocked in, SIGTSTP stops
	// ranks and launcher, others are passed on.
	Signals <-chan os.Signal
	// Registry is the directory where `gridrun ps` looks for jobs; "": nowhere.
	Registry string
	// Columns is the width of the terminal that Stderr is; 0: not one.
	Columns int
}

// Run runs the job with agents from starter and returns its exit code. What
// went wrong is on io.Stderr then. The end of ctx ends the job like SIGTERM.
func (j *Job) Run(ctx context.Context, starter agents.Starter, io IO) int {
	j.began = time.Now()
	for {
		j.noInput = io.Stdin == nil
		r := &run{
			job: j,
			io:  io,

			starter: starter,
			events:  make(chan any, 64),
			ended:   make(chan struct{}),
			timers:  map[job.Timer]*timer{},
			screen:  &output.Screen{Terminal: io.Stderr, Columns: io.Columns},
			askers:  map[int]chan<- picture{},
			began:   time.Now(),
		}
		code := r.main(ctx)
		if r.again == nil {
			return code
		}
		if signal := r.again.pause(ctx, io.Signals); signal != 0 {
			return 128 + signal
		}
		j.restart(r.again)
		io.Stdin = nil // it has been read
	}
}

// remoteStart bounds the start on other machines.
const remoteStart = 10 * time.Minute

// run is one Run.
type run struct {
	job       *Job
	io        IO
	starter   agents.Starter
	machine   *job.Machine
	events    chan any // job.Event or func()
	ended     chan struct{}
	timers    map[job.Timer]*timer
	hosts     []*hostRun
	directory *gather.Directory
	notices   *gather.Notices
	bindings  *gather.Bindings
	beats     int            // looks for silent hosts so far
	readers   sync.WaitGroup // the hosts' goroutines, and one that wakes relays
	screen    *output.Screen
	stdout    *output.Writer
	stderr    *output.Writer
	outlets   outlets
	lost      atomic.Pointer[job.OutputLost] // the first output that failed
	input     *stdin.Feeder
	observer  *observe.Observer // nil: nothing is observed
	began     time.Time
	server    *registry.Server       // nil: the job is not registered
	asked     int                    // inquiries of others so far
	askers    map[int]chan<- picture // who waits for an answer
	again     *restart               // nil: this was the last time
}

func (r *run) main(ctx context.Context) int {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.stdout = output.NewWriter(r.io.Stdout, r.screen, func(err error) { r.outputFailed("cannot write standard output: ", err) })
	r.stderr = output.NewWriter(r.io.Stderr, r.screen, func(error) {}) // nobody is left to tell
	if err := r.openOutlets(); err != nil {
		return r.refuse(err)
	}
	r.job.running.Store(r)
	for _, text := range r.job.Notices {
		r.say(text)
	}
	config := job.Config{Continue: r.job.spec.Continue, Timeout: r.job.spec.Timeout, Grace: max(r.job.spec.Grace, 0), Hold: r.job.spec.Lease}
	if r.job.spec.Observe.Watch().Any() {
		config.Drain = observe.Time
	}
	if len(r.job.Remote()) > 0 {
		// Each stage of reaching a host has its own deadline; bringing the agent
		// over a slow link takes as long as bytes go on arriving.
		config.Start = remoteStart
	}
	for _, h := range r.job.plan.Hosts {
		config.Hosts = append(config.Hosts, h.Name)
	}
	for _, p := range r.job.plan.Procs {
		config.Procs = append(config.Procs, job.Proc{Host: p.Host, Ranks: p.Ranks})
	}
	r.directory = gather.NewDirectory(config.Hosts)
	r.notices = &gather.Notices{Names: config.Hosts}
	r.bindings = gather.NewBindings(r.job.plan)
	machine, actions := job.New(config)
	r.machine = machine
	for h := range config.Hosts {
		host := newHostRun(ctx, r, h)
		r.hosts = append(r.hosts, host)
	}
	if err := r.openInput(); err != nil {
		return r.refuse(fmt.Errorf("standard input: %w", err))
	}
	var err error
	if r.observer, err = observe.New(r.job.observes(), r.job.id, r.job.plan); err != nil {
		return r.refuse(err)
	}
	if p, is := r.starter.(agents.Planner); is {
		p.Plan(r.job.Remote())
	}
	for _, host := range r.hosts {
		r.readers.Go(func() { host.main(r.starter) })
	}
	r.do(actions)
	if r.job.spec.Timeout > 0 {
		timer := time.AfterFunc(r.job.spec.Timeout-time.Since(r.job.began), func() { r.post(job.TimedOut{}) })
		defer timer.Stop()
	}
	r.register()
	r.loop(ctx)
	return r.finish(cancel)
}

// refuse ends a run that cannot begin.
func (r *run) refuse(err error) int {
	r.say(err.Error())
	if r.input != nil {
		r.input.Close()
	}
	if files := r.outlets.files; files != nil {
		files.Close()
		<-files.Done()
		r.outlets.dir.Close()
	}
	r.stdout.Close()
	r.stderr.Close()
	<-r.stdout.Done()
	<-r.stderr.Done()
	return CodeRefused
}

// loop feeds the machine until the job has ended.
func (r *run) loop(ctx context.Context) {
	cancelled := ctx.Done()
	var beat <-chan time.Time
	if every := r.job.heartbeat(); every > 0 {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		beat = ticker.C
	}
	for r.machine.Phase() != job.Ended {
		select {
		case e := <-r.events:
			switch e := e.(type) {
			case func():
				e()
			case job.Event:
				r.step(e)
			}
		case s := <-r.io.Signals:
			r.signal(s)
		case <-cancelled:
			cancelled = nil
			r.do(r.machine.Step(job.Interrupted{Signal: int(syscall.SIGTERM)}))
		case <-beat:
			r.beat()
		}
	}
}

// finish says how the job ended and joins everything. Output may still wait for
// a slow reader; a signal then ends the wait.
func (r *run) finish(cancel context.CancelFunc) int {
	close(r.ended)
	cancel()
	if r.server != nil {
		r.server.Close()
	}
	for _, t := range r.timers {
		t.stop()
	}
	if r.input != nil {
		r.input.Close()
	}
	r.readers.Wait()
	result := r.machine.Result()
	r.showBindings() // of the hosts that answered, when not all did
	table, lines, unwritten := r.observer.Finish()
	r.screen.Clear()
	for _, fold := range r.outlets.folds {
		if fold != nil {
			fold.Close()
		}
	}
	r.stdout.Close()
	if files := r.outlets.files; files != nil {
		files.Close()
		written := r.written(files.Done())
		r.outlets.dir.Close()
		if !written {
			return result.Code
		}
	}
	if !r.written(r.stdout.Done()) {
		return result.Code
	}
	for _, text := range lines {
		r.say(text)
	}
	if table != "" {
		r.stderr.Put([]byte(table), nil)
	}
	// An output that failed at the very end comes after the last event.
	if lost := r.lost.Load(); lost != nil && (result.Code == 0 || result.Again) {
		result = job.Result{Code: CodeRefused, Summary: lost.Why}
		if lost.Why == "" {
			result.Code = 128 + int(syscall.SIGPIPE)
		}
	}
	if unwritten != nil { // what was asked for is not there: no success
		text := strings.ReplaceAll(unwritten.Error(), "\n", "; ")
		if result.Code == 0 {
			result = job.Result{Code: CodeRefused, Summary: text}
		} else {
			r.say(text)
		}
	}
	if line := r.farewell(result); line != "" {
		r.say(line)
	} else {
		r.stderr.Put(nil, nil) // wipes the bar
	}
	r.stderr.Close()
	r.written(r.stderr.Done())
	return result.Code
}

// written waits for the end of a writer; false when a signal came first.
func (r *run) written(done <-chan struct{}) bool {
	for {
		select {
		case <-done:
			return true
		case s := <-r.io.Signals:
			switch s {
			case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP:
				return false
			}
		}
	}
}

// post hands an event to the loop; after the end it is dropped.
func (r *run) post(e any) {
	select {
	case r.events <- e:
	case <-r.ended:
	}
}

// step lets the machine take an event.
func (r *run) step(e job.Event) {
	if lost, is := e.(job.HostLost); is {
		r.directory.Lost(lost.Host, lost.Why)
	}
	r.do(r.machine.Step(e))
	if r.machine.Phase() != job.Starting {
		r.notices.Tell(r.say)
	}
}

// do carries out what the machine asks for.
func (r *run) do(actions []job.Action) {
	for _, a := range actions {
		switch a := a.(type) {
		case job.Send:
			if stop, is := a.Message.(*wire.Stop); is {
				r.hosts[a.Host].stop(stop)
				continue
			}
			r.hosts[a.Host].link.send(a.Message)
		case job.Arm:
			if old := r.timers[a.Timer]; old != nil {
				old.stop()
			}
			r.timers[a.Timer] = after(a.After, func() { r.post(job.Rang{Timer: a.Timer}) })
		case job.Answer:
			for _, who := range a.To {
				r.answer(who, a.Job)
			}
		case job.Tell:
			r.say(a.Text)
		case job.Probe:
			r.hosts[a.Host].link.send(&wire.Beat{Ask: a.Number})
		case job.Hold:
			for _, h := range r.hosts {
				h.hold()
			}
		case job.Abandon:
			r.hosts[a.Host].kill()
		}
	}
}

func (r *run) signal(s os.Signal) {
	number, ok := s.(syscall.Signal)
	if !ok {
		return
	}
	switch number {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP:
		r.do(r.machine.Step(job.Interrupted{Signal: int(number)}))
	case syscall.SIGQUIT:
		r.do(r.machine.Step(job.Asked{By: job.Terminal, Deep: true}))
	case syscall.SIGTSTP:
		// Ranks are in sessions of their own, where the kernel drops SIGTSTP.
		r.broadcast(&wire.Signal{Signal: int(syscall.SIGSTOP)})
		for _, h := range r.hosts {
			h.link.flush(time.Second)
		}
		sleeper, is := r.starter.(agents.Sleeper)
		if is {
			sleeper.Sleep(time.Second)
		}
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		if is {
			r.readers.Go(sleeper.Wake) // which takes as long as the slowest relay
		}
	case syscall.SIGPIPE: // the write that caused it reports EPIPE
	default:
		r.broadcast(&wire.Signal{Signal: int(number)})
	}
}

// bound takes a host's answer to --report-bindings.
func (r *run) bound(m *wire.Bound) {
	if r.bindings.Add(m) {
		r.showBindings()
	}
}

func (r *run) showBindings() {
	if table := r.bindings.Take(); table != "" {
		r.say("what every rank may use, as the kernel says:")
		r.stderr.Put([]byte(table), nil)
	}
}

func (r *run) broadcast(m wire.Message) {
	for _, h := range r.hosts {
		h.link.send(m)
	}
}

// beat shows agents that we live, and gives up those that have shown nothing
// for the lease. Looks are counted, as agents count them: a launcher that has not
// run for a while (Ctrl-Z, a suspended machine) finds one tick waiting, and what
// agents have said behind it.
func (r *run) beat() {
	if r.beats%looksPerBeat == 0 {
		r.broadcast(&wire.Beat{})
	}
	r.beats++
	for h, host := range r.hosts {
		if host.live.Load() && host.link.quiet.Add(1) > looks {
			host.kill()
			why := fmt.Sprintf("no sign of life for %v", host.link.silence().Round(time.Millisecond))
			r.step(job.HostLost{Host: h, Why: why, Cut: true})
		}
	}
}

// outputFailed ends the job: nobody reads what it prints, or it cannot be kept.
func (r *run) outputFailed(what string, err error) {
	why := ""
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.ErrClosedPipe) {
		why = what + err.Error()
	}
	lost := &job.OutputLost{Why: why}
	r.lost.CompareAndSwap(nil, lost)
	go r.post(*lost) // the writer goes on returning credit
}

// say writes a line for the user.
func (r *run) say(text string) { r.stderr.Put([]byte("gridrun: "+text+"\n"), nil) }

func (r *run) verbose(format string, args ...any) {
	if r.job.spec.Verbose {
		r.say(fmt.Sprintf(format, args...))
	}
}
