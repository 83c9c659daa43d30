#include "go_asm.h"
#include "textflag.h"

// Folds with AVX2: dst = dst op src. A kernel is entered with DI = dst, SI = src
// and CX = bytes, a multiple of 64 and not 0, and returns to the caller of fold.
// One turn of its loop takes 64 bytes: two registers of dst, two of src.
//
// The operands of Go's assembler stand in the order opposite to the manuals':
// VPSUBB b, a, c is c = a - b; and where an instruction treats its operands
// differently (a NaN's bits, two zeros), the manuals' first source is a.

// func fold(kernel int, dst, src unsafe.Pointer, bytes int)
TEXT ·fold(SB), NOSPLIT, $0-32
	MOVQ kernel+0(FP), AX
	MOVQ dst+8(FP), DI
	MOVQ src+16(FP), SI
	MOVQ bytes+24(FP), CX
	LEAQ kernels<>(SB), BX
	MOVQ (BX)(AX*8), AX
	JMP  AX

// Between LOAD and STORE Y0 and Y1 (dst) are to become Y0, Y1 op Y2, Y3 (src).
#define LOAD \
loop: \
	VMOVDQU (DI), Y0 \
	VMOVDQU 32(DI), Y1 \
	VMOVDQU (SI), Y2 \
	VMOVDQU 32(SI), Y3

#define STORE \
	VMOVDQU Y0, (DI) \
	VMOVDQU Y1, 32(DI) \
	NEXT

#define NEXT \
	ADDQ $64, DI \
	ADDQ $64, SI \
	SUBQ $64, CX \
	JNZ  loop \
	VZEROUPPER \
	RET

// ONE is a fold of one instruction, EACH of a macro over two registers.
#define ONE(INST) \
	LOAD \
	INST Y2, Y0, Y0 \
	INST Y3, Y1, Y1 \
	STORE

#define EACH(F) \
	LOAD \
	F(Y0, Y2) \
	F(Y1, Y3) \
	STORE

TEXT and<>(SB), NOSPLIT, $0
	ONE(VPAND)

TEXT or<>(SB), NOSPLIT, $0
	ONE(VPOR)

TEXT xor<>(SB), NOSPLIT, $0
	ONE(VPXOR)

// Sums.

TEXT sum8<>(SB), NOSPLIT, $0
	ONE(VPADDB)

TEXT sum16<>(SB), NOSPLIT, $0
	ONE(VPADDW)

TEXT sum32<>(SB), NOSPLIT, $0
	ONE(VPADDD)

TEXT sum64<>(SB), NOSPLIT, $0
	ONE(VPADDQ)

TEXT sumF32<>(SB), NOSPLIT, $0
	ONE(VADDPS)

TEXT sumF64<>(SB), NOSPLIT, $0
	ONE(VADDPD)

// Products.

// Of bytes in pairs, 256 h + l: the low byte of the product of pairs is that of
// l l', and h (256 h') is the product of the high ones in its place. Y15 is 0x00ff
// in each pair.
#define MUL8(d, s) \
	VPSRLW  $8, d, Y8 \
	VPANDN  s, Y15, Y9 \
	VPMULLW Y9, Y8, Y8 \
	VPMULLW s, d, d \
	VPAND   Y15, d, d \
	VPOR    Y8, d, d

TEXT prod8<>(SB), NOSPLIT, $0
	VPCMPEQW Y15, Y15, Y15
	VPSRLW   $8, Y15, Y15
	EACH(MUL8)

TEXT prod16<>(SB), NOSPLIT, $0
	ONE(VPMULLW)

TEXT prod32<>(SB), NOSPLIT, $0
	ONE(VPMULLD)

// Of words 2^32 h + l: l l' + 2^32 (h l' + l h').
#define MUL64(d, s) \
	VPSRLQ   $32, d, Y8 \
	VPSRLQ   $32, s, Y9 \
	VPMULUDQ s, Y8, Y8 \
	VPMULUDQ d, Y9, Y9 \
	VPADDQ   Y9, Y8, Y8 \
	VPSLLQ   $32, Y8, Y8 \
	VPMULUDQ s, d, d \
	VPADDQ   Y8, d, d

TEXT prod64<>(SB), NOSPLIT, $0
	EACH(MUL64)

TEXT prodF32<>(SB), NOSPLIT, $0
	ONE(VMULPS)

TEXT prodF64<>(SB), NOSPLIT, $0
	ONE(VMULPD)

// (a + bi)(c + di) = ac - bd + (ad + bc)i, each product and each sum rounded by
// itself, as Go does it here.
#define MULC128(d, s) \
	VMOVDDUP  d, Y8 \
	VPERMILPD $15, d, Y9 \
	VPERMILPD $5, s, Y10 \
	VMULPD    s, Y8, Y8 \
	VMULPD    Y10, Y9, Y9 \
	VADDSUBPD Y9, Y8, d

TEXT prodC128<>(SB), NOSPLIT, $0
	EACH(MULC128)

// Of short complex numbers Go computes the product in long ones.
#define MULC64(at) \
	VCVTPS2PD  at(DI), Y0 \
	VCVTPS2PD  at(SI), Y2 \
	MULC128(Y0, Y2) \
	VCVTPD2PSY Y0, X0 \
	VMOVUPS    X0, at(DI)

TEXT prodC64<>(SB), NOSPLIT, $0
loop:
	MULC64(0)
	MULC64(16)
	MULC64(32)
	MULC64(48)
	NEXT

// The least and the greatest.

TEXT min8<>(SB), NOSPLIT, $0
	ONE(VPMINSB)

TEXT max8<>(SB), NOSPLIT, $0
	ONE(VPMAXSB)

TEXT minU8<>(SB), NOSPLIT, $0
	ONE(VPMINUB)

TEXT maxU8<>(SB), NOSPLIT, $0
	ONE(VPMAXUB)

TEXT min16<>(SB), NOSPLIT, $0
	ONE(VPMINSW)

TEXT max16<>(SB), NOSPLIT, $0
	ONE(VPMAXSW)

TEXT minU16<>(SB), NOSPLIT, $0
	ONE(VPMINUW)

TEXT maxU16<>(SB), NOSPLIT, $0
	ONE(VPMAXUW)

TEXT min32<>(SB), NOSPLIT, $0
	ONE(VPMINSD)

TEXT max32<>(SB), NOSPLIT, $0
	ONE(VPMAXSD)

TEXT minU32<>(SB), NOSPLIT, $0
	ONE(VPMINUD)

TEXT maxU32<>(SB), NOSPLIT, $0
	ONE(VPMAXUD)

#define MIN64(d, s) \
	VPCMPGTQ  s, d, Y8 \
	VPBLENDVB Y8, s, d, d

#define MAX64(d, s) \
	VPCMPGTQ  d, s, Y8 \
	VPBLENDVB Y8, s, d, d

TEXT min64<>(SB), NOSPLIT, $0
	EACH(MIN64)

TEXT max64<>(SB), NOSPLIT, $0
	EACH(MAX64)

// TOPS has the highest bit of each element set in Y15: unsigned ones are compared
// as signed with that bit turned, and it is the sign of floating point numbers.
#define TOPS(SHIFT, n) \
	VPCMPEQD Y15, Y15, Y15 \
	SHIFT    n, Y15, Y15

#define MINU64(d, s) \
	VPXOR     Y15, d, Y9 \
	VPXOR     Y15, s, Y10 \
	VPCMPGTQ  Y10, Y9, Y8 \
	VPBLENDVB Y8, s, d, d

#define MAXU64(d, s) \
	VPXOR     Y15, d, Y9 \
	VPXOR     Y15, s, Y10 \
	VPCMPGTQ  Y9, Y10, Y8 \
	VPBLENDVB Y8, s, d, d

TEXT minU64<>(SB), NOSPLIT, $0
	TOPS(VPSLLQ, $63)
	EACH(MINU64)

TEXT maxU64<>(SB), NOSPLIT, $0
	TOPS(VPSLLQ, $63)
	EACH(MAXU64)

// The instruction MIN gives its second source if one is NaN or both are zero. So
// the first turn is right but for a NaN in d and -0 before +0; the second brings
// the NaN back, and joining the bits of both the sign. max(d, s) is -min(-d, -s).
// Go's compiler does the same, which gives a NaN the same bits.
#define MINF(MIN, d, s) \
	MIN  s, d, Y8 \
	MIN  d, Y8, Y9 \
	VPOR Y8, Y9, d

#define MAXF(MIN, d, s) \
	VPXOR Y15, d, d \
	VPXOR Y15, s, s \
	MINF(MIN, d, s) \
	VPXOR Y15, d, d

#define MINF32(d, s) MINF(VMINPS, d, s)
#define MAXF32(d, s) MAXF(VMINPS, d, s)
#define MINF64(d, s) MINF(VMINPD, d, s)
#define MAXF64(d, s) MAXF(VMINPD, d, s)

TEXT minF32<>(SB), NOSPLIT, $0
	EACH(MINF32)

TEXT maxF32<>(SB), NOSPLIT, $0
	TOPS(VPSLLD, $31)
	EACH(MAXF32)

TEXT minF64<>(SB), NOSPLIT, $0
	EACH(MINF64)

TEXT maxF64<>(SB), NOSPLIT, $0
	TOPS(VPSLLQ, $63)
	EACH(MAXF64)

// Pairs of value and index. Four of dst and four of src are taken apart: values of
// dst in Y4, indices in Y5, those of src in Y6 and Y7. TAKE sets Y8 to all ones
// where the pair of src is taken, of a value's bits at least, and may use Y9 to
// Y12; SPREAD makes whole words of the value's bits.
#define LOC(TAKE, SPREAD) \
	LOAD \
	VUNPCKLPD Y1, Y0, Y4 \
	VUNPCKHPD Y1, Y0, Y5 \
	VUNPCKLPD Y3, Y2, Y6 \
	VUNPCKHPD Y3, Y2, Y7 \
	TAKE \
	SPREAD \
	VMOVDDUP  Y8, Y9 \
	VPERMILPD $15, Y8, Y10 \
	VBLENDVPD Y9, Y2, Y0, Y0 \
	VBLENDVPD Y10, Y3, Y1, Y1 \
	STORE

#define LOW32 VMOVSLDUP Y8, Y8
#define WHOLE

// Of integers: src beats dst, or is as good and has the lower index.
#define TAKEINT(EQ, GT, less, more) \
	EQ       Y6, Y4, Y8 \
	VPCMPGTQ Y7, Y5, Y9 \
	VPAND    Y9, Y8, Y8 \
	GT       less, more, Y9 \
	VPOR     Y9, Y8, Y8

// Of floating point numbers, besides: NaN (compared with itself, 3) beats numbers,
// and is as good as NaN. NOT is the comparison that is true where dst is not as
// good as src, or one of them is NaN.
#define TAKEFLOAT(CMP, NOT) \
	CMP      $3, Y4, Y4, Y11 \
	CMP      $3, Y6, Y6, Y12 \
	VPAND    Y11, Y12, Y12 \
	CMP      $0, Y6, Y4, Y8 \
	VPOR     Y12, Y8, Y8 \
	VPCMPGTQ Y7, Y5, Y9 \
	VPAND    Y9, Y8, Y8 \
	CMP      NOT, Y6, Y4, Y9 \
	VPANDN   Y9, Y11, Y9 \
	VPOR     Y9, Y8, Y8

TEXT minLoc32<>(SB), NOSPLIT, $0
	LOC(TAKEINT(VPCMPEQD, VPCMPGTD, Y6, Y4), LOW32)

TEXT maxLoc32<>(SB), NOSPLIT, $0
	LOC(TAKEINT(VPCMPEQD, VPCMPGTD, Y4, Y6), LOW32)

TEXT minLoc64<>(SB), NOSPLIT, $0
	LOC(TAKEINT(VPCMPEQQ, VPCMPGTQ, Y6, Y4), WHOLE)

TEXT maxLoc64<>(SB), NOSPLIT, $0
	LOC(TAKEINT(VPCMPEQQ, VPCMPGTQ, Y4, Y6), WHOLE)

TEXT minLocF32<>(SB), NOSPLIT, $0
	LOC(TAKEFLOAT(VCMPPS, $6), LOW32)

TEXT maxLocF32<>(SB), NOSPLIT, $0
	LOC(TAKEFLOAT(VCMPPS, $9), LOW32)

TEXT minLocF64<>(SB), NOSPLIT, $0
	LOC(TAKEFLOAT(VCMPPD, $6), WHOLE)

TEXT maxLocF64<>(SB), NOSPLIT, $0
	LOC(TAKEFLOAT(VCMPPD, $9), WHOLE)

// The kernels by lane and operation, in the order of the numbers that Go has given
// them.

#define KERNEL(lane, op, name) DATA kernels<>+(8*(lane*const_ops+op))(SB)/8, $name<>(SB)
#define NUMBER(lane, sum, prod) \
	KERNEL(lane, const_opSum, sum) \
	KERNEL(lane, const_opProd, prod)
#define LEAST(lane, min, max) \
	KERNEL(lane, const_opMin, min) \
	KERNEL(lane, const_opMax, max)

NUMBER(const_lane8, sum8, prod8)
LEAST(const_lane8, min8, max8)
NUMBER(const_lane16, sum16, prod16)
LEAST(const_lane16, min16, max16)
NUMBER(const_lane32, sum32, prod32)
LEAST(const_lane32, min32, max32)
NUMBER(const_lane64, sum64, prod64)
LEAST(const_lane64, min64, max64)
NUMBER(const_laneU8, sum8, prod8)
LEAST(const_laneU8, minU8, maxU8)
KERNEL(const_laneU8, const_opAnd, and)
KERNEL(const_laneU8, const_opOr, or)
KERNEL(const_laneU8, const_opXor, xor)
NUMBER(const_laneU16, sum16, prod16)
LEAST(const_laneU16, minU16, maxU16)
NUMBER(const_laneU32, sum32, prod32)
LEAST(const_laneU32, minU32, maxU32)
NUMBER(const_laneU64, sum64, prod64)
LEAST(const_laneU64, minU64, maxU64)
NUMBER(const_laneF32, sumF32, prodF32)
LEAST(const_laneF32, minF32, maxF32)
NUMBER(const_laneF64, sumF64, prodF64)
LEAST(const_laneF64, minF64, maxF64)
NUMBER(const_laneC64, sumF32, prodC64)
NUMBER(const_laneC128, sumF64, prodC128)
LEAST(const_laneLoc32, minLoc32, maxLoc32)
LEAST(const_laneLoc64, minLoc64, maxLoc64)
LEAST(const_laneLocF32, minLocF32, maxLocF32)
LEAST(const_laneLocF64, minLocF64, maxLocF64)
GLOBL kernels<>(SB), RODATA|NOPTR, $(8*const_lanes*const_ops)
