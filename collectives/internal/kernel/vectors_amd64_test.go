package kernel

// setVectors has kernels use vectors, where the processor can, or not.
func setVectors(on bool) bool {
	state := lacksAVX2
	if on && detect() {
		state = hasAVX2
	}
	processor.Store(state)
	return state == hasAVX2
}
