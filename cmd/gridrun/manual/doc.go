// Package manual turns the description of a command line into what its users
// read and type. The description is data, a [Book]: commands, their arguments
// and flags. It is made once, from the same structs that parse the words (see
// verbs.go in cmd/gridrun), so nothing here can go stale:
//
//  1. [Book.Help] is the text of --help, of the whole or of one command.
//  2. [Book.Man] is the manual page, in roff.
//  3. [Book.Script] is what a shell reads to complete words. It calls the program
//     with the words typed so far, and the program answers with [Book.Complete].
//
// Everything is a pure function.
package manual
