package manual

import "strings"

// A Book describes a command line.
type Book struct {
	Name    string // of the program
	Summary string // a line
	// Commands in the order of help; the first is what runs when no command is named.
	Commands []Command
	// Usage are the forms that users meet first; About says more, Closing comes
	// last in the help. Lines have at most 80 columns.
	Usage   []string
	About   string
	Closing string
}

// A Command is a verb of the program.
type Command struct {
	Name    string // one word or two: "bench launch"
	Args    string // as usage shows them
	Summary string // a sentence
	About   string // more, in lines of at most 80 columns; "": the summary says it all
	Flags   []Flag // without hidden ones
}

// A Flag is an option of a command.
type Flag struct {
	Name  string
	Short rune   // 0: none
	Value string // as usage shows it; "": a switch
	Help  string
	Group string // the heading it stands under; "": none
}

// Find returns the command of these words: one whose name they begin with, else
// those below the first word (bench: bench launch, ...).
func (b Book) Find(words []string) (found []Command, exact bool) {
	for _, c := range b.Commands {
		name := strings.Fields(c.Name)
		if hasPrefix(words, name) {
			return []Command{c}, true
		}
		if len(words) > 0 && len(name) > 1 && name[0] == words[0] {
			found = append(found, c)
		}
	}
	return found, false
}

func hasPrefix(words, prefix []string) bool {
	if len(words) < len(prefix) {
		return false
	}
	for i, w := range prefix {
		if words[i] != w {
			return false
		}
	}
	return true
}

// groups returns the headings of flags in the order of their first mention.
func groups(flags []Flag) (names []string, of map[string][]Flag) {
	of = map[string][]Flag{}
	for _, f := range flags {
		if of[f.Group] == nil {
			names = append(names, f.Group)
		}
		of[f.Group] = append(of[f.Group], f)
	}
	return names, of
}
