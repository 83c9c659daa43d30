// Functions without a body, as those of block.go, need a package with assembly.
