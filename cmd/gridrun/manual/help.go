package manual

import (
	"fmt"
	"strings"
)

// helpColumn is where the explanation of a flag or a command starts.
const helpColumn = 34

// Help is the text for the command of these words; for the whole program with
// no words or those of its first command. ok is false when there is none.
func (b Book) Help(words ...string) (text string, ok bool) {
	var w strings.Builder
	if len(words) == 0 {
		b.overview(&w)
		return w.String(), true
	}
	found, exact := b.Find(words)
	switch {
	case len(found) == 0:
		return "", false
	case !exact:
		fmt.Fprintf(&w, "Usage: %s %s COMMAND\n\n", b.Name, words[0])
		commands(&w, found)
		fmt.Fprintf(&w, "\n`%s help %s` says more.\n", b.Name, found[0].Name)
	case found[0].Name == b.Commands[0].Name:
		b.overview(&w)
	default:
		b.page(&w, found[0])
	}
	return w.String(), true
}

// overview is the page of the first command, and a line for each other one.
func (b Book) overview(w *strings.Builder) {
	for i, u := range b.Usage {
		fmt.Fprintf(w, "%-7s%s\n", [...]string{"Usage:", ""}[min(i, 1)], u)
	}
	fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(b.About))
	flags(w, b.Commands[0].Flags)
	fmt.Fprint(w, "\nCommands:\n")
	commands(w, b.Commands)
	fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(b.Closing))
}

func (b Book) page(w *strings.Builder, c Command) {
	fmt.Fprintf(w, "Usage: %s\n\n%s\n", b.usage(c), c.Summary)
	if c.About != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(c.About))
	}
	flags(w, c.Flags)
}

// usage is the command with what it takes.
func (b Book) usage(c Command) string {
	words := []string{b.Name, c.Name}
	if len(c.Flags) > 0 {
		words = append(words, "[flags]")
	}
	if c.Args != "" {
		words = append(words, c.Args)
	}
	return strings.Join(words, " ")
}

func commands(w *strings.Builder, all []Command) {
	for _, c := range all {
		entry(w, "  "+strings.TrimSpace(c.Name+" "+c.Args), c.Summary)
	}
}

func flags(w *strings.Builder, all []Flag) {
	names, of := groups(all)
	for _, name := range names {
		if name == "" {
			name = "Flags"
		}
		fmt.Fprintf(w, "\n%s:\n", name)
		if name == "Flags" {
			name = ""
		}
		for _, f := range of[name] {
			left := "     "
			if f.Short != 0 {
				left = "  -" + string(f.Short) + ","
			}
			left += " --" + f.Name
			if f.Value != "" {
				left += "=" + f.Value
			}
			entry(w, left, f.Help)
		}
	}
}

// entry writes left and right beside each other, or below where left is long.
func entry(w *strings.Builder, left, right string) {
	if len(left) >= helpColumn {
		fmt.Fprintf(w, "%s\n%*s%s\n", left, helpColumn, "", right)
		return
	}
	fmt.Fprintf(w, "%-*s%s\n", helpColumn, left, right)
}
