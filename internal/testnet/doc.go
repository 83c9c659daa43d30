// Package testnet makes a small cluster on one machine, for tests and
// benchmarks: hosts with their own network, host name, home, temporary
// directories and OpenSSH server, and links that can be cut, shaped and delayed.
//
// # What a host is
//
// A host is a set of Linux namespaces (network, UTS, mount, IPC and PID) over
// the machine's own root file system. Private to it are the home /root, /tmp,
// /var/tmp, /dev/shm and /run (tmpfs, so that they can be filled, made
// read-only or noexec without harm), /etc/passwd, and /etc/hosts with the names
// of all hosts. No name server is asked, so a name nobody has fails at once.
// Everything else, /usr and a checkout among it, is the machine's.
//
// One more host is the front, where the program under test is started. It has
// its own network, name and home, so that the machine's are not touched, but
// shares the machine's /tmp and processes: what a test built is found there,
// and the process ID of a command is the real one, so it can be signalled. Of
// the machine's home it sees what building Go programs takes: the module that
// the test is in and Go's caches.
//
// # How it is built
//
//  1. A process in a network namespace of its own is the switch: it holds one
//     bridge. The machine's own network gets no new interface.
//  2. For each host, a thread of ours leaves for new namespaces, mounts, writes
//     the files, and runs one `ip -batch`: eth0 is a veth whose other end goes
//     to the switch. The addresses of all others are permanent neighbours: the
//     kernel's neighbour table is one for all namespaces and holds 1024 entries
//     that were learned, too few for 93 hosts that know each other.
//  3. The thread starts the host's process 1, a shell that starts sshd and then
//     waits. Then the thread ends, as Go ends every thread whose goroutine
//     returns while locked to it.
//  4. One `ip -batch` in the switch plugs all ends into the bridge.
//  5. The net is ready when every sshd has sent its banner.
//
// # How it ends
//
// The standard input of every holder is one pipe, whose other end only our
// process has. [Net.Close] closes it; so does the kernel when the process is
// killed, whatever the signal. The shell that is process 1 of a host then ends,
// and with it, by the rule of PID namespaces, all that runs on the host. The
// holder of the front has no PID namespace, so it kills what it finds in its
// network namespace; it and the holder of the switch remove the directory of
// keys. Namespaces, mounts and interfaces go with the last process in them.
//
// A process of a host therefore has an ID there and another one outside. What
// runs inside sees a consistent /proc and does not care.
//
// # Links
//
// [Net.Cut] takes a host's port at the switch down. [Net.CutBetween] spoils the
// hardware address two hosts know of each other, so that frames between them
// get lost while all other traffic flows. Both are silent, as a broken switch
// is: no reset, no ICMP. [Net.Shape] is the kernel's token bucket. [Net.Delay]
// is our own relay (the kernel's netem is often not built): the port moves to a
// bridge of its own, and frames between that and the main bridge pass two TAP
// devices and a queue in our process. [Net.Lose] drops frames there. Such a host
// costs two goroutines for each direction; they end, and are joined, when delay
// and loss are zero again and in [Net.Close].
//
// Needed are root and the Debian packages iproute2, util-linux and
// openssh-server.
package testnet
