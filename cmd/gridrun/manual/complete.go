package manual

import (
	"fmt"
	"slices"
	"strings"
)

// What a shell adds to the candidates by itself.
const (
	Nothing  = ":nothing"
	Files    = ":files"
	Dirs     = ":dirs"
	Programs = ":programs" // of $PATH, and files
)

// Complete returns what the last of words may become, and what the shell adds:
// words are those after the program's name, the last is being typed. choices
// knows the words that the arguments of a command, or a flag with value HOST,
// may be; nil: files.
func (b Book) Complete(words []string, choices func(what string) []string) (candidates []string, more string) {
	// bash cuts --flag=value into three words.
	words = slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "=" })
	if len(words) == 0 {
		words = []string{""}
	}
	current, before := words[len(words)-1], words[:len(words)-1]
	command, first := b.Commands[0], true
	if found, exact := b.Find(before); exact {
		command, first = found[0], false
		before = before[len(strings.Fields(command.Name)):]
	} else if len(before) == 1 && len(found) > 0 {
		for _, c := range found {
			candidates = append(candidates, strings.Fields(c.Name)[1])
		}
		return starting(current, candidates), Nothing
	}
	program := false // the word of run that is the program has been typed
	var value *Flag  // whose value is being typed
	for _, w := range before {
		switch {
		case value != nil:
			value = nil
		case strings.HasPrefix(w, "-"):
			value = flagOf(w, command.Flags)
		case command.Name == b.Commands[0].Name:
			program = true
		}
		if program {
			return nil, Files
		}
	}
	switch {
	case value != nil:
		return valueOf(current, *value, choices)
	case strings.HasPrefix(current, "-"):
		for _, f := range command.Flags {
			candidates = append(candidates, "--"+f.Name)
		}
		return starting(current, append(candidates, "--help")), Nothing
	case command.Name != b.Commands[0].Name:
		if command.Args == "" {
			return nil, Nothing
		}
		if known := choices(command.Name); known != nil {
			return starting(current, known), Nothing
		}
		return nil, Files
	}
	candidates = choices(command.Name)
	if first && len(before) == 0 {
		for _, c := range b.Commands {
			if name, _, _ := strings.Cut(c.Name, " "); !slices.Contains(candidates, name) {
				candidates = append(candidates, name)
			}
		}
	}
	return starting(current, candidates), Programs
}

// flagOf returns the flag that a word is, when its value is the next word.
func flagOf(word string, flags []Flag) *Flag {
	name := strings.TrimLeft(word, "-")
	for i, f := range flags {
		if f.Value != "" && (name == f.Name || len(word) == 2 && word == "-"+string(f.Short)) {
			return &flags[i]
		}
	}
	return nil
}

// valueOf completes a flag's value by what usage calls it.
func valueOf(current string, f Flag, choices func(string) []string) ([]string, string) {
	switch {
	case strings.HasPrefix(f.Value, "HOST"):
		return starting(current, choices("HOST")), Nothing
	case strings.Contains(f.Value, "|"):
		return starting(current, strings.Split(f.Value, "|")), Nothing
	case strings.HasPrefix(f.Value, "FILE"):
		return nil, Files
	case strings.HasPrefix(f.Value, "DIR"):
		return nil, Dirs
	}
	return nil, Nothing
}

func starting(prefix string, all []string) (some []string) {
	for _, w := range all {
		if strings.HasPrefix(w, prefix) {
			some = append(some, w)
		}
	}
	return some
}

// Shells are those that Script knows.
var Shells = []string{"bash", "fish", "zsh"}

// Script is what a shell reads to complete the words of the program: it asks
// the program itself, which is called with __complete and the words.
func (b Book) Script(shell string) (string, error) {
	script := map[string]string{"bash": bashScript, "fish": fishScript, "zsh": zshScript}[shell]
	if script == "" {
		return "", fmt.Errorf("no completion for %s; there is one for %s", shell, strings.Join(Shells, ", "))
	}
	return strings.ReplaceAll(script, "PROGRAM", b.Name), nil
}

const bashScript = `# bash completion for PROGRAM: source <(PROGRAM completion bash)
_PROGRAM() {
	local IFS=$'\n' current="${COMP_WORDS[COMP_CWORD]}"
	[ "$current" = "=" ] && current=""
	COMPREPLY=($("${COMP_WORDS[0]}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
	local n=${#COMPREPLY[@]}
	[ "$n" -gt 0 ] || return
	local more="${COMPREPLY[n-1]}"
	unset "COMPREPLY[n-1]"
	case "$more" in
	:files) compopt -o filenames; COMPREPLY+=($(compgen -f -- "$current")) ;;
	:dirs) compopt -o filenames; COMPREPLY+=($(compgen -d -- "$current")) ;;
	:programs) compopt -o filenames; COMPREPLY+=($(compgen -c -- "$current") $(compgen -f -- "$current")) ;;
	esac
}
complete -F _PROGRAM PROGRAM
`

const zshScript = `#compdef PROGRAM
# zsh completion for PROGRAM: source <(PROGRAM completion zsh)
_PROGRAM() {
	local -a found
	found=("${(@f)$(${words[1]} __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	local more=${found[-1]}
	found[-1]=()
	(( ${#found} )) && compadd -- "${found[@]}"
	case $more in
	:files) _files ;;
	:dirs) _files -/ ;;
	:programs) _command_names -e; _files ;;
	esac
}
compdef _PROGRAM PROGRAM
`

const fishScript = `# fish completion for PROGRAM: PROGRAM completion fish | source
function __PROGRAM_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l found ($words[1] __complete $words[2..-1] 2>/dev/null)
	set -q found[1]; or return
	set -l more $found[-1]
	set -e found[-1]
	printf '%s\n' $found
	switch $more
		case :files
			__fish_complete_path (commandline -ct)
		case :dirs
			__fish_complete_directories (commandline -ct)
		case :programs
			__fish_complete_command
			__fish_complete_path (commandline -ct)
	end
end
complete -c PROGRAM -f -a '(__PROGRAM_complete)'
`
