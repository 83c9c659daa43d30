package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gridrun/cmd/gridrun/manual"
)

// Verbs that print what other tools read of the table of verbs.
type (
	completionFlags struct{}
	manFlags        struct{}
)

const completionAbout = `
In ~/.bashrc:               source <(gridrun completion bash)
In ~/.zshrc:                source <(gridrun completion zsh)
In ~/.config/fish/config.fish:  gridrun completion fish | source`

func (*completionFlags) run(_ context.Context, args []string) (int, error) {
	b, err := book()
	if err != nil {
		return 0, err
	}
	script, err := b.Script(args[0])
	if err == nil {
		_, err = fmt.Print(script)
	}
	return 0, err
}

func (*manFlags) run(context.Context, []string) (int, error) {
	b, err := book()
	if err == nil {
		_, err = fmt.Print(b.Man(version(), manSections()...))
	}
	return 0, err
}

func manSections() []manual.Section {
	return []manual.Section{
		{Title: "EXIT STATUS", Terms: []manual.Term{
			{Name: "0", Text: "Every rank ended with 0."},
			{Name: "the rank's own", Text: "A rank failed: the code of the first in cause."},
			{Name: "128+n", Text: "A rank was killed by signal n, or gridrun was asked to end by it."},
			{Name: "124", Text: "The time of --timeout was over."},
			{Name: "125", Text: "gridrun itself refuses or cannot: usage, slots, launch, lost host."},
			{Name: "126, 127", Text: "The program is not executable, or not found."},
		}},
		{Title: "ENVIRONMENT", Terms: []manual.Term{
			{Name: "GRIDRUN_FLAG", Text: "Each flag of run: GRIDRUN_TAG_OUTPUT=true is --tag-output."},
			{Name: "GRIDRUN_RANK, GRIDRUN_SIZE, GRIDRUN_LOCAL_RANK, GRIDRUN_LOCAL_SIZE, GRIDRUN_JOB", Text: "What a rank finds."},
			{Name: "GRIDRUN_SOURCE", Text: "A checkout of gridrun, to build it for hosts of another architecture."},
		}},
		{Title: "FILES", Terms: []manual.Term{
			{Name: "~/.config/gridrun/config", Text: "Lines flag = value; a line that starts with # is a comment."},
			{Name: "~/.ssh/config, ~/.ssh/known_hosts", Text: "How hosts are reached, and their keys."},
			{Name: "~/.cache/gridrun", Text: "gridrun and programs by the hash of their content, here and on hosts."},
		}},
		{Title: "SEE ALSO", Terms: []manual.Term{{Text: "ssh(1), ssh_config(5), mpirun(1), srun(1)"}}},
	}
}

// complete prints what the last word may become, for completion scripts.
func complete(words []string) (int, error) {
	b, err := book()
	if err != nil {
		return 0, err
	}
	candidates, more := b.Complete(words, choices)
	for _, c := range append(candidates, more) {
		fmt.Println(c)
	}
	return 0, nil
}

// choices are the words that arguments may be, of a verb or of kind HOST.
func choices(what string) []string {
	if what == "HOST" {
		return sshHosts()
	}
	for _, v := range verbs() {
		switch {
		case v.name != what:
		case v.raw:
			return slices.DeleteFunc(jobNames(), func(name string) bool { return strings.HasPrefix(name, "_") })
		case v.words != nil:
			return v.words()
		}
	}
	return nil
}

// sshHosts are the names in ~/.ssh/config that are no patterns.
func sshHosts() (hosts []string) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(home, ".ssh", "config"))
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 || !strings.EqualFold(words[0], "host") {
			continue
		}
		for _, name := range words[1:] {
			if !strings.ContainsAny(name, "*?!") {
				hosts = append(hosts, name)
			}
		}
	}
	return hosts
}
