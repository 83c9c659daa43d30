// Package observe is the launcher's side of --stats, --trace and --profile.
//
//  1. [New] makes the files, so that a job does not begin which has nowhere to put
//     what it counts.
//  2. Hosts are asked for their time while the job runs ([Observer.Ask], Told).
//  3. What each process has recorded comes in pieces when it has ended (Piece), and
//     is added to tally, timeline and profile, which put it together.
//  4. Finish writes what is wanted.
//
// No goroutine is started; a timer asks clocks again.
package observe
