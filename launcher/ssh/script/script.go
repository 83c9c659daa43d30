package script

import (
	"fmt"
	"slices"
	"strings"

	"gridrun/launcher/ship"
)

// Command is what sshd gives to the user's login shell. It reads the same in
// sh, bash, csh and fish: one pair of single quotes, and in them no quote,
// backslash, exclamation mark or newline. `read` takes no byte past the newline.
const Command = `exec /bin/sh -c 'read -r s; eval "$s"'`

// script finds or asks for the agent, in these steps; its lines begin with the
// marker $m. $p is the host's platform, $h the agent's hash for it where that is
// known before, $k its size in KiB. DIR and NAME are filled in. A host that has
// the agent at home pays for two processes, the shell and uname. VERB is the part
// that the binary is to play.
//
//	have SYSTEM MACHINE DIR    it is there; what follows is the agent's output
//	skip DIR REASON            DIR cannot be used (DIR ends with a tab)
//	need SYSTEM MACHINE DIR    waits for `go HASH`, or `next` for another DIR
//	none SYSTEM MACHINE        no candidate is left
//
// A directory is ours, and under /tmp and the like no symbolic link either; a
// script in it must run (noexec); df must find room. The file `used` beside the
// binary shows ship.Prune when it was used.
const script = `
own() {
  case $1 in */gridrun-[0-9]*) [ -L "$1" ] && return 1;; esac;
  [ -d "$1" ] && [ -O "$1" ];
};
fit() {
  r="there is no home directory";
  case $1 in "${HOME:-/none}"/*) [ -d "$HOME" ] || return 1;; esac;
  [ -d "$1" ] || w=$(umask 077; mkdir -p "$1" 2>&1) || { r="it cannot be made ($w)"; return 1; };
  r="it belongs to somebody else"; own "$1" || return 1;
  f=$(df -Pk "$1" 2>/dev/null | { read -r w; read -r w w w f w; echo "$f"; });
  r="it is full ($k KiB needed, $f free)";
  [ "${f:-$k}" -lt "$k" ] 2>/dev/null && return 1;
  t=$1/.try-$$;
  w=$(umask 077; { echo "#!/bin/sh" >"$t" && chmod 700 "$t"; } 2>&1) || { rm -f "$t" 2>/dev/null; r="it cannot be written (${w##*: })"; return 1; };
  r="programs may not run there (noexec)"; "$t" 2>/dev/null; w=$?; rm -f "$t"; [ $w = 0 ];
};
run() { { true >"$1/used"; } 2>/dev/null; exec "$1/NAME" VERB; };
look() {
  for d in "$@"; do
    if [ -n "$h" ] && [ -x "$d/$h/NAME" ] && own "$d"; then
      echo "$m have $p $d"; run "$d/$h";
    fi;
  done;
};
set -- DIR "${GRIDRUN_HOME:-}" "${HOME:+$HOME/.cache/gridrun}"; look "$@";
u=$(id -u); set -- "$@" "/var/tmp/gridrun-$u" "/tmp/gridrun-$u" "/dev/shm/gridrun-$u"; look "$@";
for d in "$@"; do
  case $d in /*) ;; *) continue;; esac;
  if fit "$d"; then
    echo "$m need $p $d";
    read -r g h || exit 0;
    if [ "$g" = go ]; then run "$d/$h"; fi;
  else
    echo "$m skip $d	$r" | tr "\n" " "; echo;
  fi;
done;
echo "$m none $p"; exit 125
`

// AgentName is the binary's name in the cache.
const AgentName = "gridrun"

// FirstLine is the script for a host that is to play verb, in one line. known are the agents whose
// hash needs no work to find out.
func FirstLine(marker, verb, dir string, known map[ship.Platform]ship.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "m=%s; p=$(uname -sm); h=; k=1024; case $p in ", marker)
	var cases []string
	for platform, f := range known {
		if uname := platform.Uname(); uname != "" {
			cases = append(cases, fmt.Sprintf("%s) h=%s; k=%d;; ", Quote(uname), f.Hash, (f.Size+1023)/1024+64))
		}
	}
	slices.Sort(cases)
	b.WriteString(strings.Join(cases, ""))
	b.WriteString("esac; ")
	// Tabs and blanks between words are the source's layout, but for `skip`'s tab.
	text := strings.ReplaceAll(strings.ReplaceAll(script, "NAME", AgentName), "\t", "\x00")
	text = strings.Join(strings.Fields(text), " ")
	b.WriteString(strings.NewReplacer("\x00", "\t", "VERB", verb, "DIR", Quote(dir)).Replace(text))
	b.WriteString("\n")
	return b.String()
}

// Quote makes one word of text for any POSIX shell.
func Quote(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(c rune) bool {
		return !strings.ContainsRune("%+,-./:=@_~", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// An Answer is a line of the script.
type Answer struct {
	Word            string // have, need, skip or none
	System, Machine string
	Dir, Reason     string
}

// ParseAnswer reads a line that may carry other output before the marker; ok is
// false when it is not one of ours.
func ParseAnswer(line, marker string) (a Answer, ok bool) {
	_, text, ok := strings.Cut(strings.TrimRight(line, "\r\n "), marker+" ")
	if !ok {
		return a, false
	}
	a.Word, text, _ = strings.Cut(text, " ")
	switch a.Word {
	case "skip":
		a.Dir, a.Reason, _ = strings.Cut(text, "\t")
		return a, true
	case "have", "need", "none":
		a.System, text, _ = strings.Cut(text, " ")
		a.Machine, a.Dir, _ = strings.Cut(text, " ")
		return a, a.System != "" && a.Machine != "" && (a.Word == "none" || strings.HasPrefix(a.Dir, "/"))
	}
	return a, false
}
