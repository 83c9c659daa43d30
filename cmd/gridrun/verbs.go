package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"gridrun/launcher"
)

// A verb is a first word (or two: bench launch) that is no program. The table
// below is all that dispatch, --help, `gridrun help`, completion and the manual
// page know of verbs.
//
// To add one, write a file for it with a struct of its flags, as kong reads
// them, and a method run; then a line in verbs:
//
//	// psFlags are the flags of `gridrun ps`.
//	type psFlags struct {
//		All bool `short:"a" help:"Jobs of all users."`
//	}
//
//	func (f *psFlags) run(ctx context.Context, args []string) (code int, err error) {
//		...
//	}
//
//	{name: "ps", summary: "Show this user's jobs.", command: new(psFlags)},
//
// run gets a context that SIGINT and SIGTERM end and the words that are no flags,
// as many as args asks for. A code is the exit code; an error is printed as
// `gridrun: ERROR` and gives the code of launcher.ExitCode (125 for most). Every
// flag needs a help of at most 46 columns and, unless it is a switch, a
// placeholder. Flags that run has too (embed hostFlags for those that name hosts)
// take their defaults from the same variables and lines of the config file.
type verb struct {
	name    string // the word or words
	args    string // what follows the flags: "JOB", "[JOB]", "FILE..."; "": nothing
	summary string // a sentence of at most 46 columns
	about   string // more for its own help, in lines of at most 80 columns; "": nothing more
	command command
	// words are what its arguments may be, for completion; nil: files.
	words func() []string
	// raw: the command reads its flags itself. Only run does: there flags end at
	// the program's name.
	raw bool
}

// A command is a verb's flags, and what it does with them.
type command interface {
	run(ctx context.Context, args []string) (code int, err error)
}

// verbs is the table, in the order of the help. The first is what runs when the
// first word is none of them.
func verbs() []verb {
	return []verb{
		{name: "run", args: "program [arguments...]", summary: "Run a program; the word may be left out.", command: new(runFlags), raw: true},
		{name: "jobs", summary: "List the built-in jobs.", command: new(jobsFlags)},
		{name: "ps", summary: "Show this user's jobs.", about: psAbout, command: new(psFlags)},
		{name: "stacks", args: "[JOB]", summary: "Say what a job's ranks do, and why it hangs.", about: stacksAbout, command: new(stacksFlags), words: jobIDs},
		{name: "bench launch", summary: "Time whole starts, with mpirun and mpiexec.", command: new(launchFlags)},
		{name: "bench p2p", summary: "Time messages, with Open MPI and MPICH.", about: p2pAbout, command: new(p2pFlags)},
		{name: "bench collectives", summary: "Time collectives, with Open MPI and MPICH.", about: collectivesAbout, command: new(collectivesFlags)},
		{name: "bench calibrate", summary: "Measure what collectives are chosen by.", about: calibrateAbout, command: new(calibrateFlags)},
		{name: "bench kernels", summary: "Time reductions' loops beside a copy.", command: new(kernelsFlags)},
		{name: "bench cost", summary: "Time messages with and without --stats.", command: new(costFlags)},
		{name: "bench scale", summary: "Time the launcher with thousands of hosts.", command: new(scaleFlags)},
		{name: "new", args: "DIR", summary: "Start a rank program that builds offline.", command: new(newFlags)},
		{name: "up", summary: "Keep hosts ready, so that jobs start at once.", command: new(upFlags), about: upAbout},
		{name: "down", summary: "End what gridrun up has left.", command: new(downFlags)},
		{name: "hosts list", summary: "Show the hosts that flags or files name.", command: new(hostsListFlags)},
		{name: "hosts check", summary: "Find out which hosts can run a job.", command: new(hostsCheckFlags),
			about: "Every host is asked, in parallel: how it is reached, what it is like, and\nwhich addresses of the others it reaches. The exit code is 125 if one fails."},
		{name: "help", args: "[COMMAND...]", summary: "Explain a command, or everything.", command: new(helpFlags), words: verbNames},
		{name: "completion", args: "SHELL", summary: "Print completion for bash, fish or zsh.", command: new(completionFlags), words: shells, about: completionAbout},
		{name: "man", summary: "Print the manual page, for man -l -.", command: new(manFlags)},
		{name: "version", summary: "Name this build.", command: new(versionFlags)},
	}
}

// gridrun runs the command line and returns the exit code.
func gridrun(args []string) int {
	code, err := dispatch(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gridrun:", err)
		return launcher.ExitCode(err)
	}
	return code
}

// dispatch finds the verb and has it do its work.
func dispatch(args []string) (int, error) {
	if len(args) == 0 {
		return launcher.CodeRefused, help(os.Stderr)
	}
	switch args[0] {
	case "--version":
		args = []string{"version"}
	case "__complete":
		return complete(args[1:])
	}
	v, rest, err := findVerb(args)
	if err != nil {
		return 0, err
	}
	if v == nil { // a word that several verbs begin with, and help is wanted
		return 0, help(os.Stdout, args[0])
	}
	if len(rest) > 0 && asksHelp(rest[0]) {
		return 0, help(os.Stdout, strings.Fields(v.name)...)
	}
	if v.raw {
		return v.command.run(context.Background(), rest)
	}
	rest, err = v.parse(rest)
	if errors.Is(err, errHelp) {
		return 0, help(os.Stdout, strings.Fields(v.name)...)
	}
	if err != nil {
		return 0, err
	}
	return v.interruptible(rest)
}

// interruptible has the verb do its work until SIGINT or SIGTERM; an error that
// this leads to says so.
func (v *verb) interruptible(args []string) (int, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	caught := make(chan syscall.Signal, 1)
	go func() {
		select {
		case s := <-signals:
			caught <- s.(syscall.Signal)
			cancel()
		case <-ctx.Done():
		}
	}()
	code, err := v.command.run(ctx, args)
	select {
	case s := <-caught:
		if err != nil {
			err = &launcher.Error{Code: 128 + int(s), Err: fmt.Errorf("%s: ended by %s", v.name, unix.SignalName(s))}
		}
	default:
	}
	return code, err
}

// findVerb returns the verb that args begin with and the words after its name;
// nil when they ask for the help of several.
func findVerb(args []string) (v *verb, rest []string, err error) {
	var below []string
	table := verbs()
	for i := range table {
		name := strings.Fields(table[i].name)
		if len(args) >= len(name) && slices.Equal(args[:len(name)], name) {
			return &table[i], args[len(name):], nil
		}
		if len(name) > 1 && args[0] == name[0] {
			below = append(below, name[1])
		}
	}
	switch {
	case below == nil:
		return &table[0], args, nil
	case len(args) > 1 && asksHelp(args[1]):
		return nil, nil, nil
	}
	return nil, nil, fmt.Errorf("%s what? there are %s; `gridrun run %s` would run a program of that name",
		args[0], strings.Join(below, ", "), args[0])
}

func asksHelp(word string) bool { return word == "-h" || word == "-help" || word == "--help" }

// errHelp is somebody who asks for help among other words.
var errHelp = errors.New("help is wanted")

// parse reads the words after the verb into its flags and returns those that
// are no flags. Flags may stand anywhere before a lone --.
func (v *verb) parse(words []string) (args []string, err error) {
	k, known, err := model(v.command)
	if err != nil {
		return nil, err
	}
	var own section
	for len(words) > 0 {
		s, rest, err := splitFlags(words, known)
		if err != nil {
			if slices.ContainsFunc(words, asksHelp) {
				return nil, errHelp
			}
			var strange *strangeFlag
			if errors.As(err, &strange) {
				return nil, fmt.Errorf("%s: %s", v.name, strange.of("help "+v.name))
			}
			return nil, fmt.Errorf("%s: %w", v.name, err)
		}
		own.flags, own.names = append(own.flags, s.flags...), append(own.names, s.names...)
		if len(rest) > 0 && rest[0] == "--" {
			args = append(args, rest[1:]...)
			break
		}
		if len(rest) > 0 {
			args, rest = append(args, rest[0]), rest[1:]
		}
		words = rest
	}
	_, all, err := model(new(runFlags))
	if err != nil {
		return nil, err
	}
	shared := slices.DeleteFunc(slices.Clone(known), func(f flagSpec) bool {
		return !slices.ContainsFunc(all, func(g flagSpec) bool { return f.name == g.name && f.value == g.value })
	})
	given, err := defaults(all, shared, own.names)
	if err != nil {
		return nil, err
	}
	if err := fill(k, given, own); err != nil {
		return nil, fmt.Errorf("%s: %w", v.name, err)
	}
	return args, v.count(args)
}

// count checks how many arguments there are.
func (v *verb) count(args []string) error {
	least, most := 0, 0
	for _, word := range strings.Fields(v.args) {
		if !strings.HasPrefix(word, "[") {
			least++
		}
		most++
		if strings.Contains(word, "...") {
			most = len(args)
		}
	}
	switch {
	case len(args) < least:
		return fmt.Errorf("%s needs %s; `gridrun help %s` explains", v.name, v.args, v.name)
	case len(args) <= most:
		return nil
	case most == 0:
		return fmt.Errorf("%s takes no arguments; `gridrun run %s` would run a program of that name", v.name, v.name)
	}
	return fmt.Errorf("%s takes %s and no more; `gridrun help %s` explains", v.name, v.args, v.name)
}

// model is kong's view of a verb's flags, and what splitting words needs of it.
func model(flags any) (*kong.Kong, []flagSpec, error) {
	k, err := kong.New(flags, kong.Name("gridrun"), kong.NoDefaultHelp(), kong.Exit(func(int) {}))
	if err != nil {
		return nil, nil, err
	}
	var known []flagSpec
	for _, f := range k.Model.Flags {
		known = append(known, flagSpec{
			name:   f.Name,
			short:  f.Short,
			value:  !f.IsBool(),
			number: f.Target.Type() == countType,
			hidden: f.Hidden,
		})
	}
	return k, known, nil
}
