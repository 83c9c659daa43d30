// Package sshkeys decides who the two ends of an ssh connection are.
//
//   - The host: [KnownFiles.HostKeys] checks its key against known_hosts files, and
//     says which kinds of keys to ask for. Nothing is accepted that is not there,
//     unless the user's own configuration says so (StrictHostKeyChecking
//     accept-new or no). A [HostKeyError] has what the user is to do.
//   - We: [FindKeys] gathers what ssh-agent and files have, in OpenSSH's order.
//
// It starts no goroutine.
package sshkeys
