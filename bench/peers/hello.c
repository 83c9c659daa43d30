/* Every rank takes part in one barrier: the smallest program that wires up a
 * whole job. With the argument "park" each rank then says its process id and
 * waits to be killed, so that its memory can be measured. */
#include <mpi.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Barrier(MPI_COMM_WORLD);
	if (argc > 1 && strcmp(argv[1], "park") == 0) {
		printf("%d\n", (int)getpid());
		fflush(stdout);
		for (;;)
			pause();
	}
	MPI_Finalize();
	return 0;
}
