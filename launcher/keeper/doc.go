// Package keeper keeps connections and agents ready between jobs, so that the
// next job starts without ssh.
//
//		gridrun up ----> keeper (gridrun __keeper) ==ssh==> host: a waiting agent
//		                   ^ Unix socket in the user's   ==ssh==> host: a waiting agent
//		gridrun -np ... ---+ runtime directory
//
//	 1. [Keeper.Serve] listens on a socket in the user's runtime directory
//	    (internal/rundir) and refuses peers of another user.
//	 2. `up` names hosts. For each of them a goroutine connects ([Dialer]) and
//	    starts one agent through that connection: the spare. It has said Hello and
//	    waits for Start; Beat and its answer show every now and then that it lives.
//	 3. A job's launcher ([Client.Start]) asks for a host's agent. The keeper asks
//	    the spare for a sign of life, hands it over and from then on carries bytes
//	    in both directions. A new spare is started when the job has ended, or
//	    after a second, or at once if somebody waits for it.
//	 4. Programs and inputs are brought by SFTP on another channel of the same
//	    connection, which the launcher speaks through a connection of its own to
//	    the keeper.
//	 5. A host whose spare does not answer, or whose connection has ended, is lost:
//	    the launcher starts there by itself, and the keeper connects anew.
//	 6. `down`, or an hour without a job, ends the keeper and every agent it holds.
//
// The launcher's guarantees hold as they are. When a launcher is killed, its
// connections end, and the keeper closes the agents' channels. When the keeper is
// killed, sshd closes them. Signs of life pass through it; it makes none up for a
// job.
//
// Goroutines: Serve's own accepts; one for each host and one for its spare; one
// for each request and, while bytes are carried, one more. Serve joins them all,
// but for readers on a connection that does not even end. The client starts none.
package keeper
