package environ

import (
	"slices"
	"strings"
	"testing"

	"gridrun/internal/wire"
)

// The second host of three has ranks 2 and 3 of 5; this is rank 3.
func styledPosition() position {
	return position{job: "cafe", leader: "node1", rank: 3, size: 5, local: 1, localSize: 2, app: 1, host: 1, hosts: 3,
		names: []string{"node1", "node2", "node3"}, each: []int{2, 2, 1}}
}

func TestEnvStyles(t *testing.T) {
	for style, want := range map[string]string{
		"torchrun": "RANK=3 WORLD_SIZE=5 LOCAL_RANK=1 LOCAL_WORLD_SIZE=2 GROUP_RANK=1 GROUP_WORLD_SIZE=3 ROLE_RANK=3 ROLE_WORLD_SIZE=5 MASTER_ADDR=node1 TORCHELASTIC_RUN_ID=cafe",
		"openmpi":  "OMPI_COMM_WORLD_RANK=3 OMPI_COMM_WORLD_SIZE=5 OMPI_COMM_WORLD_LOCAL_RANK=1 OMPI_COMM_WORLD_LOCAL_SIZE=2 OMPI_COMM_WORLD_NODE_RANK=1 OMPI_UNIVERSE_SIZE=5",
		"pmi":      "PMI_RANK=3 PMI_SIZE=5 PMI_APPNUM=1 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=2",
		"slurm":    "SLURM_PROCID=3 SLURM_NTASKS=5 SLURM_NPROCS=5 SLURM_LOCALID=1 SLURM_NODEID=1 SLURM_NNODES=3 SLURM_JOB_NUM_NODES=3 SLURM_TASKS_PER_NODE=2(x2),1 SLURM_JOB_NODELIST=node1,node2,node3",
	} {
		got := styledPosition().styled(style, nil)
		for _, kv := range strings.Fields(want) {
			if !slices.Contains(got, kv) {
				t.Errorf("%s: no %s in %v", style, kv, got)
			}
		}
		if !slices.Contains(wire.EnvStyles, style) {
			t.Errorf("%s is not in the list", style)
		}
	}
	if len(wire.EnvStyles) != 4 || !slices.IsSorted(wire.EnvStyles) {
		t.Errorf("%v", wire.EnvStyles)
	}
	set := styledPosition().styled("slurm", []string{"SLURM_JOB_ID=12"})
	if slices.ContainsFunc(set, func(kv string) bool { return strings.HasPrefix(kv, "SLURM_JOB_ID=") }) {
		t.Error("an allocation's number is replaced")
	}
	if p := styledPosition().port(); p < 20000 || p >= 30000 {
		t.Errorf("port %d", p)
	}
}

// What another launcher says of its own process goes, what the user sets stays.
func TestScrub(t *testing.T) {
	goes := "PMI_FD=3 PMI_RANK=0 PMIX_RANK=0 PMI2_X=1 OMPI_COMM_WORLD_RANK=0 OMPI_MCA_orte_hnp_uri=x OMPI_MCA_ess=x OMPI_MCA_pmix=x MPI_LOCALRANKID=0 MPI_LOCALNRANKS=1 SLURM_PROCID=0 SLURM_PMIX_MAPPING=x SLURM_LOCALID=0 HYDI_CONTROL_FD=4"
	stays := "PATH=/bin RANK=3 SLURM_JOB_ID=7 SLURM_NODELIST=a OMPI_MCA_btl=tcp MPICH_X=1 PMIND=x"
	got := scrub(strings.Fields(goes + " " + stays))
	if strings.Join(got, " ") != stays {
		t.Errorf("%v stays, want %s", got, stays)
	}
	got = scrub(strings.Fields("RANK=3 TORCHELASTIC_RUN_ID=x WORLD_SIZE=4 MASTER_ADDR=a HOME=/"))
	if strings.Join(got, " ") != "HOME=/" {
		t.Errorf("under torchrun %v stays", got)
	}
}

func TestTasksPerNode(t *testing.T) {
	for want, each := range map[string][]int{"": nil, "3": {3}, "4(x2),2": {4, 4, 2}, "1,2,1(x3)": {1, 2, 1, 1, 1}} {
		if got := tasksPerNode(each); got != want {
			t.Errorf("%v: %q, want %q", each, got, want)
		}
	}
}
