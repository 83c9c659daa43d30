#include "textflag.h"

// func store(dst, src unsafe.Pointer, bytes int)
TEXT ·store(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ bytes+16(FP), CX
loop:
	MOVOU  (SI), X0
	MOVOU  16(SI), X1
	MOVOU  32(SI), X2
	MOVOU  48(SI), X3
	MOVNTO X0, (DI)
	MOVNTO X1, 16(DI)
	MOVNTO X2, 32(DI)
	MOVNTO X3, 48(DI)
	ADDQ   $64, DI
	ADDQ   $64, SI
	SUBQ   $64, CX
	JNZ    loop
	SFENCE
	RET
