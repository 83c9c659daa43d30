package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"gridrun/cmd/gridrun/manual"
)

// book describes the command line to those who explain it.
func book() (manual.Book, error) {
	b := manual.Book{
		Name:    "gridrun",
		Summary: "run a program as a parallel job",
		Usage: []string{
			"gridrun [flags] program [arguments...]",
			"gridrun [flags] program [arguments...] : [-np N] program ...",
			"gridrun COMMAND ...",
		},
		About: `
Runs a program as a parallel job. The program is an executable, a directory with
a Go main package, or a built-in job (gridrun jobs). All that follows its name
is its own.`,
		Closing: `
mpirun's single dashes work too (-np 4, -hostfile f). Each flag is also a
variable (GRIDRUN_TAG_OUTPUT=true) and a line in ~/.config/gridrun/config
(tag-output = true); --no-tag-output or =false undo a switch set there. The exit
code is that of the rank that failed first, 128+n for signal n, 124 after
--timeout, 125 for what gridrun cannot do, 126 and 127 for programs that are not
executable or not found.`,
	}
	for _, v := range verbs() {
		c := manual.Command{Name: v.name, Args: v.args, Summary: v.summary, About: v.about}
		k, _, err := model(v.command)
		if err != nil {
			return b, err
		}
		for _, f := range k.Model.Flags {
			if f.Hidden {
				continue
			}
			flag := manual.Flag{Name: f.Name, Short: f.Short, Help: f.Help}
			if !f.IsBool() {
				flag.Value = f.PlaceHolder
			}
			if f.Group != nil {
				flag.Group = f.Group.Title
			}
			c.Flags = append(c.Flags, flag)
		}
		b.Commands = append(b.Commands, c)
	}
	return b, nil
}

// help explains the verb of these words, or everything.
func help(w io.Writer, words ...string) error {
	b, err := book()
	if err != nil {
		return err
	}
	text, ok := b.Help(words...)
	if !ok {
		return fmt.Errorf("no command %s; there are %s", strings.Join(words, " "), strings.Join(verbNames(), ", "))
	}
	_, err = io.WriteString(w, text)
	return err
}

// Verbs of a line or two.
type (
	jobsFlags    struct{}
	helpFlags    struct{}
	versionFlags struct{}
)

func (*jobsFlags) run(context.Context, []string) (int, error) {
	var text strings.Builder
	for _, j := range builtins() {
		if !strings.HasPrefix(j.Name, "_") {
			fmt.Fprintf(&text, "%-12s %s\n", j.Name, j.Summary)
		}
	}
	_, err := fmt.Print(text.String())
	return 0, err
}

func (*helpFlags) run(_ context.Context, words []string) (int, error) {
	return 0, help(os.Stdout, words...)
}

func (*versionFlags) run(context.Context, []string) (int, error) {
	_, err := fmt.Println(version())
	return 0, err
}

func shells() []string { return manual.Shells }

// verbNames are the first words that are verbs.
func verbNames() (names []string) {
	for _, v := range verbs() {
		name, _, _ := strings.Cut(v.name, " ")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
