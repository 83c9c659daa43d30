// Package scale measures the launcher with more hosts than anybody has at hand.
// The launcher is the real one (launcher.Prepare and Job.Run); its agents are
// goroutines of another process, the fleet, that speak the real wire protocol
// over Unix sockets and start nothing. So the launcher's memory and times are its
// own, and what is missing is ssh, whose cost bench/launch measures.
//
//  1. [Run] starts the fleet ([Fleet], `gridrun __fleet`) and, for each number of
//     hosts, runs a job of one rank a host.
//  2. An agent takes its Start and waits for all others to have theirs, so that
//     the phases do not overlap. Then it says Ready and Started and asks where
//     the next host listens: the answer shows that the launcher has taken in
//     everybody's Ready.
//  3. When all have their answers, each agent writes a line, ends its rank and
//     leaves. In the second run one rank fails instead, and the others end when
//     they are stopped.
//  4. The fleet notes when each phase was over; the launcher's memory is the peak
//     of its resident set.
//  5. What ssh adds is a model's ([Predict]), of the measured costs of a
//     connection, for hosts that are all connected to by the launcher and for
//     trees (--fanout).
//
// Goroutines: in the fleet one for each agent, and those that accept; they end with
// their connections. Run's are the launcher's.
package scale
