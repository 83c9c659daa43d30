package engine

import (
	"fmt"

	"gridrun/internal/trace"
)

// An Op names what a goroutine is doing: in errors, in the wait table and in
// every frame of a collective, where it tells an AllReduce from a Barrier.
type Op uint8

const (
	OpNone Op = iota
	OpSend
	OpSSend
	OpRecv
	OpSendRecv
	OpSendValue
	OpRecvValue
	OpISend
	OpIRecv
	OpWait
	OpProbe
	OpSplit
	OpDup
	OpBarrier
	OpBcast
	OpReduce
	OpAllReduce
	OpReduceScatter
	OpGather
	OpAllGather
	OpScatter
	OpAllToAll
	OpGatherV
	OpAllGatherV
	OpScatterV
	OpAllToAllV
	OpGatherValues
	OpScan
	OpExScan
	OpBcastValue
	OpAllReduceValue
	OpLramNew
	OpLramRead
	OpDSM
	OpShrink
	OpAgree
	opEnd
)

var opNames = [opEnd]string{"none", "Send", "SSend", "Recv", "SendRecv", "SendValue", "RecvValue", "ISend", "IRecv", "Wait", "Probe",
	"Split", "Dup", "Barrier", "Bcast", "Reduce", "AllReduce", "ReduceScatter", "Gather", "AllGather", "Scatter", "AllToAll",
	"GatherV", "AllGatherV", "ScatterV", "AllToAllV", "GatherValues", "Scan", "ExScan", "BcastValue", "AllReduceValue",
	"lram.New", "lram.Read", "dsm", "Shrink", "Agree"}

// Ranks count operations in tables of this size.
var _ [trace.MaxOps - int(opEnd)]struct{}

func (o Op) String() string {
	if o < opEnd {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// Collective says whether all ranks of a group call the operation together.
func (o Op) Collective() bool {
	switch o {
	case OpNone, OpSend, OpSSend, OpRecv, OpSendRecv, OpSendValue, OpRecvValue, OpISend, OpIRecv, OpWait, OpProbe, OpLramRead, OpDSM:
		return false
	}
	return o < opEnd
}

// OpNamed is the operation whose String is name.
func OpNamed(name string) (Op, bool) {
	for o := range opEnd {
		if opNames[o] == name {
			return o, true
		}
	}
	return OpNone, false
}
