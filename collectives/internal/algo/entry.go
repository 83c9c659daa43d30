package algo

// Barrier returns when every rank has called it.
func Barrier(c Net, want Choice) error {
	run, err := choose(c, "Barrier", barriers, want, c.Size(), 0)
	if err != nil {
		return err
	}
	return run(c)
}

// Bcast copies root's x into everybody's.
func Bcast(c Net, want Choice, root int, x []byte) error {
	run, err := choose(c, "Bcast", bcasts, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, root, x)
}

// Reduce leaves the fold of all x in root's; the others' stay.
func Reduce(c Net, want Choice, root int, x []byte, f Fold) error {
	run, err := choose(c, "Reduce", reduces, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, root, x, f)
}

// AllReduce leaves the fold of all x in everybody's, the same to the bit.
func AllReduce(c Net, want Choice, x []byte, f Fold) error {
	run, err := choose(c, "AllReduce", allReduces, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, x, f)
}

// ReduceScatter leaves this rank's block of the fold of all x in part; x, p
// times as long, stays.
func ReduceScatter(c Net, want Choice, x, part []byte, f Fold) error {
	run, err := choose(c, "ReduceScatter", reduceScatters, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, x, part, f)
}

// Gather fills root's all with the blocks of all ranks, of len(x) bytes each.
func Gather(c Net, want Choice, root int, x, all []byte) error {
	run, err := choose(c, "Gather", gathers, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, root, x, all, Even(len(x), c.Size()))
}

// GatherV is Gather for blocks bounded by off, which all ranks must know if the
// choice is binomial and root alone otherwise.
func GatherV(c Net, want Choice, root int, x, all []byte, off []int) error {
	want.Name = orLinear(want.Name)
	run, err := choose(c, "Gather", gathers, want, c.Size(), 0)
	if err != nil {
		return err
	}
	return run(c, root, x, all, off)
}

// AllGather fills everybody's all with the blocks bounded by off.
func AllGather(c Net, want Choice, x, all []byte, off []int) error {
	run, err := choose(c, "AllGather", allGathers, want, c.Size(), off[c.Size()])
	if err != nil {
		return err
	}
	return run(c, x, all, off)
}

// Scatter fills everybody's x with its block of root's all.
func Scatter(c Net, want Choice, root int, all, x []byte) error {
	run, err := choose(c, "Scatter", scatters, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, root, all, Even(len(x), c.Size()), x)
}

// ScatterV is Scatter for blocks bounded by off, known as for GatherV.
func ScatterV(c Net, want Choice, root int, all []byte, off []int, x []byte) error {
	want.Name = orLinear(want.Name)
	run, err := choose(c, "Scatter", scatters, want, c.Size(), 0)
	if err != nil {
		return err
	}
	return run(c, root, all, off, x)
}

// orLinear is the choice for blocks of different lengths: linear, where no rank
// needs to know the blocks of others.
func orLinear(name string) string {
	if name == "" {
		return "linear"
	}
	return name
}

// AllToAll sends block r of out to rank r and fills block r of in from it; all
// blocks are equal, bounded by off.
func AllToAll(c Net, want Choice, out, in []byte, off []int) error {
	run, err := choose(c, "AllToAll", allToAlls, want, c.Size(), len(out))
	if err != nil {
		return err
	}
	return run(c, out, in, off)
}

// Scan leaves in x the fold of ranks 0 to this one.
func Scan(c Net, want Choice, x []byte, f Fold) error {
	run, err := choose(c, "Scan", scans, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, x, f)
}

// ExScan leaves in x the fold of the ranks below this one; rank 0's x stays.
func ExScan(c Net, want Choice, x []byte, f Fold) error {
	run, err := choose(c, "ExScan", exScans, want, c.Size(), len(x))
	if err != nil {
		return err
	}
	return run(c, x, f)
}
