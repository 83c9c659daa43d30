// Package tally folds what ranks have counted (internal/trace) into what
// --stats shows: [Tally.Add] takes rank after rank, [Tally.Text] is the table,
// [Tally.JSON] the same for programs. Nothing here does more than add and print.
package tally
