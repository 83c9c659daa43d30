package manual

import (
	"fmt"
	"strings"
)

// A Section is a chapter of the manual page that no command tells: its title in
// capitals and its paragraphs, each of which may be a term and what it means.
type Section struct {
	Title string
	Terms []Term
}

// A Term is `name  what it means`; without a name it is a paragraph.
type Term struct{ Name, Text string }

// Man is the manual page in roff, as `man -l -` shows it.
func (b Book) Man(version string, sections ...Section) string {
	var w strings.Builder
	fmt.Fprintf(&w, ".TH %s 1 \"\" %s \"User commands\"\n.SH NAME\n%s \\- %s\n", quoted(strings.ToUpper(b.Name)), quoted(version), roff(b.Name), roff(b.Summary))
	fmt.Fprint(&w, ".SH SYNOPSIS\n.nf\n")
	for _, u := range b.Usage {
		fmt.Fprintf(&w, "%s\n", roff(u))
	}
	fmt.Fprint(&w, ".fi\n.SH DESCRIPTION\n")
	paragraph(&w, b.About)
	paragraph(&w, b.Closing)
	fmt.Fprint(&w, ".SH FLAGS\n")
	manFlags(&w, b.Commands[0].Flags)
	fmt.Fprint(&w, ".SH COMMANDS\n")
	for _, c := range b.Commands {
		fmt.Fprintf(&w, ".SS %s\n", quoted(strings.TrimSpace(c.Name+" "+c.Args)))
		paragraph(&w, c.Summary)
		paragraph(&w, c.About)
		if c.Name != b.Commands[0].Name {
			manFlags(&w, c.Flags)
		}
	}
	for _, s := range sections {
		fmt.Fprintf(&w, ".SH %s\n", quoted(s.Title))
		for _, t := range s.Terms {
			if t.Name == "" {
				paragraph(&w, t.Text)
				continue
			}
			fmt.Fprintf(&w, ".TP\n.B %s\n%s\n", roff(t.Name), roff(t.Text))
		}
	}
	return w.String()
}

func manFlags(w *strings.Builder, all []Flag) {
	names, of := groups(all)
	for _, name := range names {
		if name != "" {
			fmt.Fprintf(w, ".PP\n.I %s\n", roff(name))
		}
		for _, f := range of[name] {
			left := "--" + f.Name
			if f.Value != "" {
				left += "=" + f.Value
			}
			if f.Short != 0 {
				left = "-" + string(f.Short) + ", " + left
			}
			fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(left), roff(f.Help))
		}
	}
}

// paragraph writes text; an empty line starts the next, an indented one is kept.
func paragraph(w *strings.Builder, text string) {
	if text = strings.TrimSpace(text); text == "" {
		return
	}
	fmt.Fprint(w, ".PP\n")
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			fmt.Fprint(w, ".PP\n")
		case line[0] == ' ' || line[0] == '\t':
			fmt.Fprintf(w, ".br\n%s\n.br\n", roff(strings.TrimSpace(line)))
		default:
			fmt.Fprintln(w, roff(line))
		}
	}
}

// roff writes text so that troff shows it as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "~", `\(ti`, "^", `\(ha`, "`", `\(ga`, "'", `\(aq`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

func quoted(text string) string { return `"` + strings.ReplaceAll(roff(text), `"`, `\(dq`) + `"` }
