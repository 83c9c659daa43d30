// Package sshconf reads the user's ssh configuration and says how to reach a host.
//
//  1. [LoadConfig] reads ~/.ssh/config and /etc/ssh/ssh_config, or one file that
//     was named. [Unread] is for OpenSSH, which reads it by itself.
//  2. [ParseTarget] reads a host as users write it: a [Target]. A user and a port
//     that come with it win over the configuration's.
//  3. [Config.Route] is the way there: a [Hop] for each host to jump over and for
//     the last, with address, user, keys and known_hosts files.
//
// Nothing is connected or looked up, and no goroutine started.
package sshconf
