package engine

import "fmt"

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
	opEnd
)

var opNames = [opEnd]string{"none", "Send", "SSend", "Recv", "SendRecv", "SendValue", "RecvValue", "ISend", "IRecv", "Wait", "Probe",
	"Split", "Dup", "Barrier", "Bcast", "Reduce", "AllReduce", "ReduceScatter", "Gather", "AllGather", "Scatter", "AllToAll",
	"GatherV", "AllGatherV", "ScatterV", "AllToAllV", "GatherValues", "Scan", "ExScan", "BcastValue", "AllReduceValue",
	"lram.New", "lram.Read", "dsm"}

func (o Op) String() string {
	if o < opEnd {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}
