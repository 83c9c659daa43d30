package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gridrun/launcher/program"
)

// A flagSpec is what must be known of a flag to find where flags end.
type flagSpec struct {
	name   string
	short  rune
	value  bool // takes one
	number bool
	hidden bool
}

// A section is one program of `flags a args : flags b args`.
type section struct {
	flags   []string // as --name=value or --name
	names   []string // of these flags
	command []string
}

// split takes the words of a command line apart. Flags stand before the
// program's name, with two dashes or with mpirun's one; all that follows
// belongs to the program, up to a lone colon. After -- nothing is looked at.
func split(words []string, known []flagSpec) ([]section, error) {
	var sections []section
	for {
		s, rest, err := splitFlags(words, known)
		if err != nil {
			return nil, err
		}
		literal := len(rest) > 0 && rest[0] == "--"
		if literal {
			rest = rest[1:]
		}
		end := slices.Index(rest, ":")
		if literal || end < 0 {
			s.command = rest
			return append(sections, s), nil
		}
		s.command = rest[:end:end]
		if len(s.command) == 0 {
			return nil, fmt.Errorf("no program before the colon")
		}
		sections = append(sections, s)
		words = rest[end+1:]
	}
}

// splitFlags takes flags from the front of words.
func splitFlags(words []string, known []flagSpec) (s section, rest []string, err error) {
	for len(words) > 0 {
		word := words[0]
		if word == "--" || word == "-" || !strings.HasPrefix(word, "-") {
			break
		}
		words = words[1:]
		flag, value, given, ok := findFlag(word, known)
		if !ok {
			return s, nil, unknownFlag(word, known)
		}
		if flag.value && !given {
			if len(words) == 0 {
				return s, nil, fmt.Errorf("%s needs a value", word)
			}
			value, given, words = words[0], true, words[1:]
		}
		if i := slices.Index(s.names, "host"); i >= 0 && flag.name == "host" {
			s.flags[i] += "," + value // -H a -H b is a list, as mpirun has it
			continue
		}
		text := "--" + flag.name
		if given {
			text += "=" + value
		}
		s.flags = append(s.flags, text)
		s.names = append(s.names, flag.name)
	}
	return s, words, nil
}

// findFlag reads --name, --name=value, --no-name, -name, -n, -n4.
func findFlag(word string, known []flagSpec) (f flagSpec, value string, given, ok bool) {
	long := strings.HasPrefix(word, "--")
	name, value, given := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if full := aliases[name]; full != "" && (long || len(name) > 1) {
		name = full
	}
	for _, f := range known {
		switch {
		case f.name == name && (f.value || !given || long):
			return f, value, given, true
		case !f.value && !given && name == "no-"+f.name:
			return f, "false", true, true
		}
	}
	if long {
		return f, "", false, false
	}
	letters := []rune(word[1:])
	for _, f := range known {
		if len(letters) == 0 || f.short != letters[0] {
			continue
		}
		value := strings.TrimPrefix(string(letters[1:]), "=")
		switch {
		case len(letters) == 1:
			return f, "", false, true
		case !f.value:
			return f, "", false, false
		case f.number:
			if _, err := strconv.Atoi(value); err != nil {
				return f, "", false, false
			}
		}
		return f, value, true, true
	}
	return f, "", false, false
}

func unknownFlag(word string, known []flagSpec) error {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	if ours := foreign[name]; ours != "" {
		return fmt.Errorf("unknown flag %s; gridrun has %s", word, ours)
	}
	var names []string
	for _, f := range known {
		if !f.hidden {
			names = append(names, f.name)
		}
	}
	near := program.Nearest(name, names)
	if whole := slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, name) }); near == "" && len(whole) == 1 && len(name) > 2 {
		near = whole[0] // name is the start of it
	}
	if near != "" {
		return fmt.Errorf("unknown flag %s; did you mean --%s?", word, near)
	}
	return &strangeFlag{word}
}

// A strangeFlag is like none that there is.
type strangeFlag struct{ word string }

func (e *strangeFlag) Error() string { return e.of("--help") }

// of names what lists the flags there are.
func (e *strangeFlag) of(help string) string {
	return fmt.Sprintf("unknown flag %s; `gridrun %s` lists them", e.word, help)
}

// splitWords cuts a command into words as a shell does, with quotes and
// backslashes and nothing else.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	open, escaped, any := byte(0), false, false
	for _, c := range []byte(text) { // a file's name need not be UTF-8
		switch {
		case escaped:
			if open == '"' && c != '"' && c != '\\' {
				word.WriteByte('\\')
			}
			word.WriteByte(c)
			escaped = false
		case c == '\\' && open != '\'':
			escaped, any = true, true
		case open != 0:
			if c == open {
				open = 0
			} else {
				word.WriteByte(c)
			}
		case c == '"' || c == '\'':
			open, any = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if any {
				words = append(words, word.String())
				word.Reset()
				any = false
			}
		default:
			word.WriteByte(c)
			any = true
		}
	}
	if open != 0 || escaped {
		return nil, fmt.Errorf("%q ends within quotes, or with a backslash", text)
	}
	if any {
		words = append(words, word.String())
	}
	return words, nil
}
