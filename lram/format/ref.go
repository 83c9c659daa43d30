package format

import (
	"errors"
	"fmt"
	"strings"
)

// Ref is a reference taken apart.
type Ref struct {
	File string // name in a store
	Var  string // variable; "": the file's only one
}

// ParseRef splits `file#variable` at the last #; a # in front of a slash belongs to the path.
func ParseRef(s string) (Ref, error) {
	i := strings.LastIndexByte(s, '#')
	if i < 0 || strings.Contains(s[i:], "/") {
		i = len(s)
	}
	r := Ref{File: s[:i]}
	if i < len(s) {
		r.Var = s[i+1:]
		if r.Var == "" {
			return Ref{}, fmt.Errorf("%s: no variable after #; leave the # out to take the file's only one", s)
		}
	}
	if r.File == "" {
		return Ref{}, errors.New("an array's reference is empty; it is FILE or FILE#VARIABLE")
	}
	return r, nil
}

// String is what ParseRef takes apart.
func (r Ref) String() string {
	if r.Var == "" {
		return r.File
	}
	return r.File + "#" + r.Var
}
