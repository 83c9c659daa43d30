// Package kernels measures the loops of reductions, the operations of package
// collectives on all common types, beside what memory can do in the same run.
//
// A fold of n bytes into n bytes reads both and writes one: three streams where a
// copy has two. So the limit is two thirds of a copy's bandwidth where the buffers
// are in memory; in cache, where the processor is the limit, the copy itself is
// shown. Each round measures all kernels, with copies between them; the best of each
// counts, for what disturbs only adds. It starts no goroutines.
package kernels
