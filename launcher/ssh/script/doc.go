// Package script is the shell script that makes one exec on a host an agent: it
// finds gridrun in a cache there, or asks for it. [Command] is what sshd is given,
// [FirstLine] the script, which Command reads from its standard input, and
// [ParseAnswer] reads what it says. All of it is text: nothing is run here.
package script
