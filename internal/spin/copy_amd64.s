//go:build !race

#include "textflag.h"

// func movsq(dst, src *byte, words int)
TEXT ·movsq(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ words+16(FP), CX
	REP; MOVSQ
	RET
