package windshear

// bandsWanted is how finely a time step is cut: enough pieces for a hundred ranks to share one step, few enough that their partial sums stay small for years of steps.
const bandsWanted = 96

// A band is a run of latitude rows. The bands of a grid depend on the grid alone, never on the number of ranks: sums over them, folded in order, are the same to the last digit however the bands were shared out.
type band struct{ first, rows int }

// bandsOf cuts the rows of a grid into bands and keeps those that any region needs, or all.
func bandsOf(rows int, regions []region, all bool) []band {
	height := (rows + bandsWanted - 1) / bandsWanted
	var bands []band
	for first := 0; first < rows; first += height {
		b := band{first, min(height, rows-first)}
		if all || needed(b, regions) {
			bands = append(bands, b)
		}
	}
	return bands
}

func needed(b band, regions []region) bool {
	for _, r := range regions {
		if len(r.cols) == 0 {
			continue
		}
		for i := b.first; i < b.first+b.rows; i++ {
			if r.row[i] {
				return true
			}
		}
	}
	return false
}

// A plan lists the pieces of work, one for each time step and band, step by step and band by band.
type plan struct {
	bands []band
	steps int
}

// piece i of the steps from first on.
func (p plan) piece(first, i int) (step int, b band) {
	return first + i/len(p.bands), p.bands[i%len(p.bands)]
}

// share gives the pieces [lo, hi) of n that a rank works on: consecutive ones, so that gathering in rank order puts all pieces in order; the ranks beyond n get none.
func share(n, rank, size int) (lo, hi int) {
	return n * rank / size, n * (rank + 1) / size
}

// batchBytes bounds what rank 0 gathers at a time.
const batchBytes = 16 << 20

// batchSteps is the number of time steps worked on between two gathers when a step gathers stepBytes.
func batchSteps(steps, stepBytes int) int {
	return max(1, min(steps, batchBytes/max(1, stepBytes)))
}
