// Package calibrate measures what the cost model of collectives (internal/cost)
// needs to know of a machine, and how good its predictions are.
//
//  1. [Measure] runs gridrun's own benchmark job (bench/message) for each layer,
//     with two ranks and with many more ranks than cores, and for copies and folds
//     on all cores at once. Each of the runs is made several times; the best
//     median counts, made to ascend with the bytes.
//  2. [SwitchPoints] asks the model which algorithm is best for groups of some
//     sizes, and at which lengths that changes.
//  3. [Check] runs every algorithm by name and puts its time beside the predicted.
//
// It starts no goroutines; the ranks are processes of their own.
package calibrate
