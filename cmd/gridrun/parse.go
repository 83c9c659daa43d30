package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"gridrun/collectives"
	"gridrun/launcher"
)

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
	words, err := defaults(known, known, sections[0].names)
	if err != nil {
		return flags, nil, err
	}
	if err := fill(k, words, sections[0]); err != nil {
		return flags, nil, err
	}
	for _, f := range []struct{ name, value string }{{"host", flags.Host}, {"hostfile", flags.Hostfile}} {
		// As in -H "$HOSTS" without such a variable: not a job on this machine alone.
		if strings.Trim(f.value, ", ") == "" && slices.Contains(sections[0].names, f.name) {
			return flags, nil, fmt.Errorf("--%s is empty; name hosts, or leave it out to run on this machine", f.name)
		}
	}
	first, err := app(flags, sections[0].command)
	if err != nil {
		return flags, nil, err
	}
	apps := []launcher.App{first}
	for _, s := range sections[1:] {
		for _, name := range s.names {
			if !slices.Contains(perProgram, name) {
				return flags, nil, fmt.Errorf("--%s is for the whole job; write it before the first program", name)
			}
		}
		var own runFlags
		k, _, _ := model(&own)
		words, err := defaults(known, alsoLater(known), s.names)
		if err != nil {
			return flags, nil, err
		}
		if err := fill(k, words, s); err != nil {
			return flags, nil, err
		}
		next, err := app(own, s.command)
		if err != nil {
			return flags, nil, err
		}
		apps = append(apps, next)
	}
	return flags, apps, nil
}

// alsoLater are the flags whose defaults hold for each program of `a : b`: where
// and with which variables ranks start. How many start is said before each.
func alsoLater(known []flagSpec) []flagSpec {
	return slices.DeleteFunc(slices.Clone(known), func(f flagSpec) bool {
		return f.name == "np" || !slices.Contains(perProgram, f.name)
	})
}

// defaults are flags from the config file, which may hold all, and over these
// the environment: those that are wanted and that the command line does not give.
func defaults(all, wanted []flagSpec, given []string) ([]string, error) {
	config, err := configFlags(all)
	if err != nil {
		return nil, err
	}
	var words []string
	for _, f := range wanted {
		if slices.Contains(given, f.name) {
			continue
		}
		if value, ok := os.LookupEnv(envName(f.name)); ok && !ofOuterJob(f.name) {
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

// ofOuterJob says that a flag's variable is what a job has told its ranks, of
// which we are one: GRIDRUN_STAGE is then the directory of that job's inputs.
func ofOuterJob(flag string) bool {
	_, inside := os.LookupEnv("GRIDRUN_JOB")
	return inside && flag == "stage"
}

// fill sets the flags from words, which are defaults, and from those given. An
// error about a default says where that stands, as nobody has typed it here.
func fill(k *kong.Kong, words []string, given section) error {
	_, err := k.Parse(append(words, given.flags...))
	if err == nil {
		return nil
	}
	rest, isFlag := strings.CutPrefix(err.Error(), "--") // "--np: ..." or "--over must be ..."
	end := strings.IndexAny(rest, ": =")
	if !isFlag || end < 0 || slices.Contains(given.names, rest[:end]) {
		return err
	}
	name, text := rest[:end], strings.TrimLeft(rest[end:], ": ")
	if _, ok := os.LookupEnv(envName(name)); ok {
		return fmt.Errorf("%s in the environment: %s", envName(name), text)
	}
	return fmt.Errorf("%s in %s: %s", name, configPath(), text)
}

// app is one program with its own flags.
func app(flags runFlags, command []string) (launcher.App, error) {
	a := launcher.App{NP: int(flags.NP), Command: command, Dir: flags.Wdir}
	if len(command) == 0 {
		return a, errors.New("no program to run; `gridrun --help` shows how")
	}
	if flags.Reproducible {
		a.Env = append(a.Env, collectives.ReproducibleVariable+"=1")
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
