// Package program finds out what the user means by a program's name, in this
// order:
//
//  1. a word with a slash, . or ..: an executable file, or a directory that
//     holds a Go main package, which is built;
//  2. the name of a built-in job;
//  3. an executable in $PATH.
//
// What cannot be found says what was tried, with the exit code that shells
// give: 127 not found, 126 not executable.
package program
