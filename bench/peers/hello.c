/* Every rank takes part in one barrier: the smallest program that wires up a
 * whole job. With the argument "park" each rank then says its process id and
 * waits to be killed, so that its memory can be measured; with "park talk" it
 * exchanges TALK messages of TALK_BYTES with every other rank before. */
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TALK 8
#define TALK_BYTES 8192

static void talk(void)
{
	static char out[TALK_BYTES], in[TALK_BYTES];
	int me, n;
	MPI_Comm_rank(MPI_COMM_WORLD, &me);
	MPI_Comm_size(MPI_COMM_WORLD, &n);
	for (int d = 1; d < n; d++)
		for (int i = 0; i < TALK; i++)
			MPI_Sendrecv(out, TALK_BYTES, MPI_CHAR, (me + d) % n, 0, in, TALK_BYTES, MPI_CHAR,
				     (me + n - d) % n, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	MPI_Barrier(MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Barrier(MPI_COMM_WORLD);
	if (argc > 1 && strcmp(argv[1], "park") == 0) {
		if (argc > 2 && strcmp(argv[2], "talk") == 0)
			talk();
		printf("%d\n", (int)getpid());
		fflush(stdout);
		for (;;)
			pause();
	}
	MPI_Finalize();
	return 0;
}
