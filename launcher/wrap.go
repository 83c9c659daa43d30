package launcher

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

// wrapper is the command that starts a process's program on host h; nil: the
// program is started as it is.
func (j *Job) wrapper(p place.Proc, h int) []string {
	ranks := j.spec.WrapRanks
	if ranks != nil && !slices.ContainsFunc(p.Ranks, func(r int) bool { return slices.Contains(ranks, r) }) {
		return nil
	}
	values := map[string]string{"rank": rankset.Fold(p.Ranks), "host": j.plan.Hosts[h].Name, "job": j.id}
	var words []string
	for _, w := range j.spec.Wrap {
		text, _ := expand(w, values) // Spec.check has tried
		words = append(words, text)
	}
	return words
}

// placeholders are the names that a wrapper's words may have in braces.
var placeholders = []string{"rank", "host", "job"}

// expand replaces each {NAME} in a word of --wrap by its value, and {{ by a brace.
// Braces around anything but a name, and a shell's ${NAME}, stay.
func expand(word string, values map[string]string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(word, "{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		word = rest
		if strings.HasPrefix(rest, "{") {
			out.WriteByte('{')
			word = rest[1:]
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed || !isName(name) || strings.HasSuffix(before, "$") {
			out.WriteByte('{')
			continue
		}
		value, known := values[name]
		if !known {
			return "", fmt.Errorf("no placeholder {%s}; there are {%s}; a brace is written {{, as in {{%s}", name, strings.Join(placeholders, "}, {"), name)
		}
		out.WriteString(value)
		word = after
	}
}

// isName says whether s can be meant as a placeholder's name.
func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-") == ""
}

// checkWrap says which of the wrapper's placeholders does not exist.
func checkWrap(words []string) error {
	values := map[string]string{}
	for _, name := range placeholders {
		values[name] = ""
	}
	for _, w := range words {
		if _, err := expand(w, values); err != nil {
			return fmt.Errorf("--wrap: %w", err)
		}
	}
	return nil
}

// leader is the host of rank 0 as other hosts of the job call it.
func (j *Job) leader() string {
	for _, p := range j.plan.Procs {
		if !slices.Contains(p.Ranks, 0) {
			continue
		}
		host := j.plan.Hosts[p.Host]
		switch {
		case len(j.plan.Hosts) == 1:
			return "127.0.0.1"
		case !host.Local():
			return host.Name
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
