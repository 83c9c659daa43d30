// Package cart lays the ranks of a group out as an n-dimensional grid, and lets
// each exchange what its neighbours need: the halos of a distributed array.
//
//	dims := cart.Dims(w.Size(), 2)                       // 93 ranks: 31 x 3
//	g, err := cart.New(ctx, w, dims, []bool{true, false}) // the first dimension is a ring
//	start, count := cart.Part(nx, dims[0], g.Coords()[0]) // this rank's part of nx points
//	...
//	err = cart.Halo(ctx, g, u, []int{count + 2, ny + 2}, 1)
//
// [Halo] fills the outermost layers of a rank's array with the neighbours' innermost
// ones, dimension by dimension, each exchange including what the former have
// brought: so corners arrive without messages between diagonal neighbours, 2
// messages a dimension and rank. The last dimension comes first, so that the layers
// of the first dimension, whole by then, travel from where they stand to where they
// belong; the others are gathered into buffers that the grid keeps. [Exchange] is the neighbourhood exchange
// beneath it, for data of any kind.
//
// Ranks stand in row-major order: the last dimension varies fastest. All ranks of a
// grid call [New], [Grid.Sub], [Halo] and [Exchange] together. The messages have a
// space of their own, apart from those that a program sends over the Grid, which is
// a group like any other.
package cart
