package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"gridrun/launcher"
)

// verbs are the first words that are not programs.
var verbs = []string{"run", "jobs", "bench", "version"}

// command runs the command line and returns the exit code.
func command(args []string) int {
	if len(args) == 0 {
		help(os.Stderr)
		return launcher.CodeRefused
	}
	verb := "run"
	if slices.Contains(verbs, args[0]) {
		verb, args = args[0], args[1:]
	}
	if len(args) > 0 && verb != "bench" {
		switch args[0] {
		case "-h", "-help", "--help":
			help(os.Stdout)
			return 0
		case "--version":
			verb, args = "version", nil
		}
	}
	code, err := 0, error(nil)
	switch {
	case verb == "run":
		code, err = run(args)
	case verb == "bench":
		err = bench(args)
	case len(args) > 0:
		err = fmt.Errorf("%s takes no arguments; `gridrun run %s` would run a program of that name", verb, verb)
	case verb == "jobs":
		listJobs(os.Stdout)
	case verb == "version":
		fmt.Println(version())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gridrun:", err)
		return launcher.ExitCode(err)
	}
	return code
}

func listJobs(w io.Writer) {
	for _, j := range builtins() {
		if !strings.HasPrefix(j.Name, "_") {
			fmt.Fprintf(w, "%-12s %s\n", j.Name, j.Summary)
		}
	}
}

// model is kong's view of the flags of run.
func model(flags *runFlags) (*kong.Kong, []flagSpec, error) {
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
			number: f.Target.Type() == reflect.TypeFor[count](),
			hidden: f.Hidden,
		})
	}
	return k, known, nil
}

// parse reads the words after `run`: the flags of the first program, with those
// of the environment and the config file, and every program.
func parse(args []string) (runFlags, []launcher.App, error) {
	var flags runFlags
	k, known, err := model(&flags)
	if err != nil {
		return flags, nil, err
	}
	sections, err := split(args, known)
	if err != nil {
		return flags, nil, err
	}
	words, err := defaults(known, sections[0].names)
	if err != nil {
		return flags, nil, err
	}
	if _, err := k.Parse(append(words, sections[0].flags...)); err != nil {
		return flags, nil, err
	}
	first, err := app(flags, sections[0].command)
	apps := []launcher.App{first}
	for _, s := range sections[1:] {
		for _, name := range s.names {
			if !slices.Contains(perProgram, name) {
				return flags, nil, fmt.Errorf("--%s is for the whole job; write it before the first program", name)
			}
		}
		var own runFlags
		k, _, _ := model(&own)
		if _, err := k.Parse(s.flags); err != nil {
			return flags, nil, err
		}
		next, errApp := app(own, s.command)
		apps, err = append(apps, next), errors.Join(err, errApp)
	}
	return flags, apps, err
}

// defaults are flags from the config file and, over these, the environment,
// without those that the command line gives.
func defaults(known []flagSpec, given []string) ([]string, error) {
	config, err := configFlags(known)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, f := range known {
		if slices.Contains(given, f.name) {
			continue
		}
		if value, ok := os.LookupEnv(envName(f.name)); ok {
			words = append(words, "--"+f.name+"="+value)
			continue
		}
		for i, name := range config.names {
			if name == f.name {
				words = append(words, config.flags[i])
			}
		}
	}
	return words, nil
}

// app is one program with its own flags.
func app(flags runFlags, command []string) (launcher.App, error) {
	a := launcher.App{NP: int(flags.NP), Command: command, Dir: flags.Wdir}
	if len(command) == 0 {
		return a, errors.New("no program to run; `gridrun --help` shows how")
	}
	for _, x := range flags.Export {
		if !strings.Contains(x, "=") {
			value, ok := os.LookupEnv(x)
			if !ok {
				return a, fmt.Errorf("-x %s: there is no such variable; -x %s=VALUE gives it one", x, x)
			}
			x += "=" + value
		}
		a.Env = append(a.Env, x)
	}
	return a, nil
}

// help shows the flags as kong knows them, so that it cannot go stale.
func help(w io.Writer) {
	fmt.Fprint(w, `Usage: gridrun [flags] program [arguments...]
       gridrun [flags] program [arguments...] : [-np N] program ...
       gridrun jobs | version | bench launch

Runs a program as a parallel job. The program is an executable, a directory with
a Go main package, or a built-in job (gridrun jobs). All that follows its name
is its own.

`)
	k, _, err := model(new(runFlags))
	if err != nil {
		return
	}
	for _, f := range k.Model.Flags {
		if f.Hidden {
			continue
		}
		short, value := "   ", ""
		if f.Short != 0 {
			short = "-" + string(f.Short) + ","
		}
		if !f.IsBool() {
			value = "=" + f.PlaceHolder
		}
		fmt.Fprintf(w, "  %s --%-24s %s\n", short, f.Name+value, f.Help)
	}
	fmt.Fprint(w, `
mpirun's single dashes work too (-np 4, -hostfile f). Each flag is also a
variable (GRIDRUN_TAG_OUTPUT=true) and a line in ~/.config/gridrun/config
(tag-output = true). The exit code is that of the rank that failed first,
128+n for signal n, 124 after --timeout, 125 for what gridrun cannot do, 126 and
127 for programs that are not executable or not found.
`)
}
