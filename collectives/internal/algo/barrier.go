package algo

// barrierDissemination: in round k every rank tells the one 2^k above it and
// hears from the one 2^k below. After ceil(log2 p) rounds all have heard,
// directly or not, from all. Hensgen, Finkel, Manber, "Two algorithms for
// barrier synchronization", 1988.
func barrierDissemination(c Net) error {
	r, p := c.Rank(), c.Size()
	for d := 1; d < p; d *= 2 {
		if err := c.SendRecv((r+d)%p, nil, (r-d+p)%p, nil); err != nil {
			return err
		}
	}
	return nil
}

// barrierTree gathers empty messages up a binomial tree and sends the release
// down: twice the rounds of dissemination, but 2(p-1) messages and p-1
// connections where dissemination needs p*log2 p of both.
func barrierTree(c Net) error {
	if err := climb(c, 0); err != nil {
		return err
	}
	return bcastBinomial(c, 0, nil)
}
