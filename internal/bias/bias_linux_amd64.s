//go:build !race

#include "go_asm.h"
#include "textflag.h"

// func enter(m *Mutex) bool
//
// Step 2 of the package's story: the store of inside comes before the second load of
// seat in the program, and fence has the processor keep that order where it matters.
TEXT ·enter(SB), NOSPLIT, $0-9
	MOVQ	m+0(FP), DI
	MOVQ	(TLS), AX
	MOVQ	Mutex_seat(DI), BX
	TESTQ	BX, BX
	JEQ	no
	CMPQ	seat_g(BX), AX
	JNE	no
	CMPQ	seat_inside(BX), $0 // locked twice: waits for ever, as in a sync.Mutex
	JNE	no
	MOVQ	$1, seat_inside(BX)
	CMPQ	Mutex_seat(DI), BX
	JNE	back
	MOVB	$1, ret+8(FP)
	RET
back:
	MOVQ	$0, seat_inside(BX)
no:
	MOVB	$0, ret+8(FP)
	RET

// func self() uintptr
TEXT ·self(SB), NOSPLIT, $0-8
	MOVQ	(TLS), AX
	MOVQ	AX, ret+0(FP)
	RET
