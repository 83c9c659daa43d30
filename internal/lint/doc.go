// Package lint holds the rules of this house as tests: which package may import
// which, that every package tells its story once, that files stay short, and
// that nothing is left unfinished by its own words. A failure says what to do.
package lint
