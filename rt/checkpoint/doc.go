// Package checkpoint saves named values of all ranks of a group and loads them
// again: after a restart (gridrun --restarts), or in a later job.
//
//	store := checkpoint.Store{Dir: "run7"}
//	vars := []checkpoint.Var{checkpoint.Slice("x", &x), checkpoint.Value("seed", &seed)}
//	step, err := store.Load(ctx, w, vars...)
//	if errors.Is(err, checkpoint.ErrNone) { ... begin at step 0 ... }
//	...
//	err = store.Save(ctx, w, step, vars...)
//
// # How a step is saved
//
//		Dir/step-000000000042.5mYk.../part-00003    rank 3's values and their checksums
//		Dir/step-000000000042.5mYk.../complete      how many parts, their sizes and checksums
//
//	 1. Rank 0 makes a directory with a name of its own, so that two that save at
//	    once, or a later try, never meet.
//	 2. Every rank writes its part under another name, syncs it, renames it and
//	    syncs the directory.
//	 3. Rank 0 hears from all, looks whether it sees every part whole, and writes
//	    `complete` in the same way. That is the commit: before it the step does not
//	    exist, after it it does.
//	 4. All ranks hear how it went, and rank 0 removes what is older than the
//	    newest Keep steps, but not this one.
//
// Load takes the newest complete step whose parts all have their sizes and
// checksums, on every rank the same one; a damaged one is told to Store.Warn and
// passed over.
//
// Dir must be the same directory for all ranks: storage that all hosts share,
// when there are several. Save notices when it is not, and Load too, and they
// name the rank and the host.
//
// The package starts no goroutine.
package checkpoint
