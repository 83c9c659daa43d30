// Package ship brings files to a host by SFTP: the agent's own binary, the
// user's program and the inputs of a job.
//
//  1. A [Source] gives the [File] that a host of a [Platform] needs: [Self] is
//     this very binary, or one built for another platform; [Executable] is a
//     program as it lies on disk, [Built] one that is built for each platform.
//     Contents are hashed once.
//  2. [Ship] puts files into a cache directory on the host as
//     CACHE/HASH/NAME, HASH being the SHA-256 of the content in hexadecimal.
//     What is there already is not sent. A file is written under a temporary
//     name, its size is checked, and then it is renamed: whatever has the final
//     name is complete, and two jobs that ship the same file at the same time
//     do each other no harm. Directories are 0700, files 0700 or 0600.
//  3. [Stage] puts a job's inputs into a directory of that job's own, under
//     their own names; [Unstage] removes it.
//  4. [Prune] removes cache entries that nobody has used for 30 days, and unfinished
//     copies that have not grown for 10 minutes, as killed launchers leave them; Ship calls it when it has brought
//     something. Who starts a cached binary refreshes the file named `used` beside
//     it. A program that still runs survives its removal, as on any Unix.
//
// SFTP answers "failure" to a full disk, a quota and a read-only file system
// alike, so on an error the host is asked for its free space and flags, and the
// message says what is needed and what is there.
//
// No goroutine outlives a call. When a context ends, the SFTP client that was in
// use is closed: there is no other way to wake who waits for the host.
package ship
