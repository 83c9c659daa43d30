/* The loops of bench/message in C: the same tests, the same number of operations,
 * the same lines of output, on any MPI.
 *
 *   message BUDGET_MS TEST:SIZE,SIZE,... TEST:SIZE,...
 *
 * For each test and size rank 0 prints
 *
 *   row TEST SIZE SAMPLES MIN MEDIAN P90 P99      (nanoseconds an operation)
 *
 * A reduction may name a type and an operation: allreduce-int32-max.
 *
 * A sample is a number of operations in a row after a barrier, its time that of
 * the slowest rank. */
#include <mpi.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 64, MOST_SAMPLES = 2000, LEAST_SAMPLES = 5, WARM_CALLS = 3, MOST_WARM = 100 };

static int rank, size;
static char *out, *in;        /* for p2p: one message; for collectives: all parts */
static int root;              /* of the next rooted collective */
static MPI_Request reqs[2 * WINDOW];

static void latency(int bytes)
{
	if (rank == 0) {
		MPI_Send(out, bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD);
		MPI_Recv(in, bytes, MPI_BYTE, 1, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else if (rank == 1) {
		MPI_Recv(in, bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		MPI_Send(out, bytes, MPI_BYTE, 0, 1, MPI_COMM_WORLD);
	}
}

/* A window of messages from -> to, then an acknowledgement. */
static void window(int from, int to, int bytes)
{
	char ack;
	if (rank == from) {
		for (int i = 0; i < WINDOW; i++)
			MPI_Isend(out, bytes, MPI_BYTE, to, 2, MPI_COMM_WORLD, &reqs[i]);
		MPI_Waitall(WINDOW, reqs, MPI_STATUSES_IGNORE);
		MPI_Recv(&ack, 1, MPI_BYTE, to, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
	} else if (rank == to) {
		for (int i = 0; i < WINDOW; i++)
			MPI_Irecv(in, bytes, MPI_BYTE, from, 2, MPI_COMM_WORLD, &reqs[i]);
		MPI_Waitall(WINDOW, reqs, MPI_STATUSES_IGNORE);
		MPI_Send(&ack, 1, MPI_BYTE, from, 3, MPI_COMM_WORLD);
	}
}

static void bandwidth(int bytes) { window(0, 1, bytes); }

static void rate(int bytes)
{
	int pairs = size / 2;
	if (rank < pairs)
		window(rank, rank + pairs, bytes);
	else if (rank < 2 * pairs)
		window(rank - pairs, rank, bytes);
}

static void bidirectional(int bytes)
{
	int peer = 1 - rank;
	if (rank > 1)
		return;
	for (int i = 0; i < WINDOW; i++)
		MPI_Irecv(in, bytes, MPI_BYTE, peer, 2, MPI_COMM_WORLD, &reqs[i]);
	for (int i = 0; i < WINDOW; i++)
		MPI_Isend(out, bytes, MPI_BYTE, peer, 2, MPI_COMM_WORLD, &reqs[WINDOW + i]);
	MPI_Waitall(2 * WINDOW, reqs, MPI_STATUSES_IGNORE);
}

/* Every rank sends to one and receives from another. */
static void shift(int bytes, int by)
{
	MPI_Sendrecv(out, bytes, MPI_BYTE, (rank + by) % size, 7, in, bytes, MPI_BYTE, (rank + size - by) % size, 7,
	             MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void exchange(int bytes) { shift(bytes, size / 2); }
static void ring(int bytes) { shift(bytes, 1); }

/* Only one end of a transfer is timed, whose other end computes: see busy.go. */
static double held;           /* seconds, since run began */
static int turn;
static int threads;           /* that compute; TEST/THREADS says so */

static void compute(double seconds)
{
	double end = MPI_Wtime() + seconds;
	while (MPI_Wtime() < end)
		;
}

static void *computes(void *unused)
{
	compute(4e-3);
	return unused;
}

static void busy(int bytes, int receiver)
{
	char ack = 0;
	int pairs = size / 2;
	MPI_Request r;
	if (rank < pairs) {
		double began;
		MPI_Recv(&ack, 1, MPI_BYTE, rank + pairs, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		compute(2e-3 * (turn++ % 16) / 16);
		began = MPI_Wtime();
		if (receiver)
			MPI_Send(out, bytes, MPI_BYTE, rank + pairs, 4, MPI_COMM_WORLD);
		else
			MPI_Recv(in, bytes, MPI_BYTE, rank + pairs, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
		held += MPI_Wtime() - began;
	} else if (rank < 2 * pairs) {
		pthread_t others[64];
		if (receiver)
			MPI_Irecv(in, bytes, MPI_BYTE, rank - pairs, 4, MPI_COMM_WORLD, &r);
		else
			MPI_Isend(out, bytes, MPI_BYTE, rank - pairs, 4, MPI_COMM_WORLD, &r);
		MPI_Send(&ack, 1, MPI_BYTE, rank - pairs, 3, MPI_COMM_WORLD);
		for (int k = 1; k < threads; k++)
			pthread_create(&others[k], NULL, computes, NULL);
		compute(4e-3);
		for (int k = 1; k < threads; k++)
			pthread_join(others[k], NULL);
		MPI_Wait(&r, MPI_STATUS_IGNORE);
	}
}

static void busyreceiver(int bytes) { busy(bytes, 1); }
static void busysender(int bytes) { busy(bytes, 0); }

/* Of the next reductions. */
static MPI_Datatype type = MPI_DOUBLE;
static MPI_Op fold = MPI_SUM;
static int width = 8;

/* Sets them from the text after a test's name, "-int32-max" or nothing, which need
 * not be checked here: it was in compare.go. */
static void reduces(const char *of)
{
	static const struct { const char *name; MPI_Datatype type; int width; } types[] = {
		{"-float64-", MPI_DOUBLE, 8}, {"-float32-", MPI_FLOAT, 4}, {"-int64-", MPI_INT64_T, 8},
		{"-int32-", MPI_INT32_T, 4}, {"-int16-", MPI_INT16_T, 2}, {"-int8-", MPI_INT8_T, 1},
	};
	static const struct { const char *name; MPI_Op op; } folds[] = {
		{"sum", MPI_SUM}, {"prod", MPI_PROD}, {"min", MPI_MIN}, {"max", MPI_MAX},
	};
	type = MPI_DOUBLE, fold = MPI_SUM, width = 8;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		size_t n = strlen(types[i].name);
		if (strncmp(of, types[i].name, n))
			continue;
		type = types[i].type, width = types[i].width;
		for (size_t k = 0; k < sizeof folds / sizeof *folds; k++)
			if (!strcmp(of + n, folds[k].name))
				fold = folds[k].op;
	}
}

static void barrier(int bytes) { (void)bytes; MPI_Barrier(MPI_COMM_WORLD); }
static void bcast(int bytes) { MPI_Bcast(in, bytes, MPI_BYTE, root, MPI_COMM_WORLD); }
static void allreduce(int bytes) { MPI_Allreduce(MPI_IN_PLACE, in, bytes / width, type, fold, MPI_COMM_WORLD); }
static void reduce(int bytes)
{
	/* Not in place: MPICH 4.0.2 then crashes when the root is not rank 0. */
	MPI_Reduce(out, in, bytes / width, type, fold, root, MPI_COMM_WORLD);
}
static void reducescatter(int bytes)
{
	MPI_Reduce_scatter_block(out, in, bytes / width, type, fold, MPI_COMM_WORLD);
}
static void gather(int bytes) { MPI_Gather(out, bytes, MPI_BYTE, in, bytes, MPI_BYTE, root, MPI_COMM_WORLD); }
static void scatter(int bytes) { MPI_Scatter(out, bytes, MPI_BYTE, in, bytes, MPI_BYTE, root, MPI_COMM_WORLD); }
static void allgather(int bytes) { MPI_Allgather(out, bytes, MPI_BYTE, in, bytes, MPI_BYTE, MPI_COMM_WORLD); }
static void alltoall(int bytes) { MPI_Alltoall(out, bytes, MPI_BYTE, in, bytes, MPI_BYTE, MPI_COMM_WORLD); }
static void scan(int bytes) { MPI_Scan(MPI_IN_PLACE, in, bytes / width, type, fold, MPI_COMM_WORLD); }

/* A cube of doubles on each rank of a grid of three dimensions, which ends at its
 * sides, and a layer of halo around it: for each dimension from the last the outermost
 * layers are filled from the neighbours' cubes, with what was filled before. */
static double *cube;
static MPI_Comm grid = MPI_COMM_NULL;
static MPI_Datatype layers[3][4]; /* of a dimension: sent down and up, received from below and above */

static int edge(int bytes)
{
	double n = bytes / 8.0;
	int e = 1;
	while ((e + 0.5) * (e + 0.5) * (e + 0.5) < n)
		e++;
	return e + 2;
}

static void place(int bytes)
{
	int e = edge(bytes), dims[3] = {0}, periods[3] = {0}, shape[3] = {e, e, e};
	int at[4] = {1, e - 2, 0, e - 1};
	MPI_Dims_create(size, 3, dims);
	MPI_Cart_create(MPI_COMM_WORLD, 3, dims, periods, 0, &grid);
	cube = malloc(sizeof *cube * e * e * e);
	for (int i = 0; i < e * e * e; i++)
		cube[i] = 1;
	for (int d = 0; d < 3; d++)
		for (int k = 0; k < 4; k++) {
			int start[3], count[3];
			for (int i = 0; i < 3; i++) {
				start[i] = i == d ? at[k] : i < d;
				count[i] = i == d ? 1 : i > d ? e : e - 2;
			}
			MPI_Type_create_subarray(3, shape, count, start, MPI_ORDER_C, MPI_DOUBLE, &layers[d][k]);
			MPI_Type_commit(&layers[d][k]);
		}
}

static void unplace(void)
{
	for (int d = 0; d < 3; d++)
		for (int k = 0; k < 4; k++)
			MPI_Type_free(&layers[d][k]);
	MPI_Comm_free(&grid);
	free(cube);
}

static void halo(int bytes)
{
	(void)bytes;
	for (int d = 2; d >= 0; d--) {
		int below, above;
		MPI_Request r[4];
		MPI_Cart_shift(grid, d, 1, &below, &above);
		MPI_Irecv(cube, 1, layers[d][2], below, 5, grid, &r[0]);
		MPI_Irecv(cube, 1, layers[d][3], above, 6, grid, &r[1]);
		MPI_Isend(cube, 1, layers[d][0], below, 6, grid, &r[2]);
		MPI_Isend(cube, 1, layers[d][1], above, 5, grid, &r[3]);
		MPI_Waitall(4, r, MPI_STATUSES_IGNORE);
	}
}

static const struct test {
	const char *name;
	void (*op)(int bytes);
	int messages;   /* that one call of op stands for */
	int parts;      /* buffers hold a part for every rank */
	int held;       /* calls add up what they time themselves */
	int grid;       /* a cube of bytes on a grid of the ranks */
} tests[] = {
	{"latency", latency, 2, 0},
	{"bandwidth", bandwidth, WINDOW, 0},
	{"bidirectional", bidirectional, WINDOW, 0},
	{"rate", rate, WINDOW, 0},
	{"busyreceiver", busyreceiver, 1, 0, 1},
	{"busysender", busysender, 1, 0, 1},
	{"barrier", barrier, 1, 0},
	{"bcast", bcast, 1, 0},
	{"allreduce", allreduce, 1, 0},
	{"reduce", reduce, 1, 0},
	{"reducescatter", reducescatter, 1, 1},
	{"gather", gather, 1, 1},
	{"scatter", scatter, 1, 1},
	{"allgather", allgather, 1, 1},
	{"alltoall", alltoall, 1, 1},
	{"scan", scan, 1, 0},
	{"halo", halo, 1, 0, 0, 1},
	{"exchange", exchange, 1},
	{"ring", ring, 1},
};

static double run(const struct test *t, int bytes, int calls)
{
	double began;
	MPI_Barrier(MPI_COMM_WORLD);
	held = 0;
	began = MPI_Wtime();
	for (int i = 0; i < calls; i++) {
		t->op(bytes);
		root = (root + 1) % size;
	}
	return t->held ? held : MPI_Wtime() - began;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Warms up, for a tenth of the budget where a call is short, and returns the least
   that a call took: of each run on the slowest rank. */
static double warm(const struct test *t, int bytes, double budget)
{
	double took[MOST_WARM + 1], slowest[MOST_WARM + 1], one, more = 0;
	int runs;

	took[0] = run(t, bytes, WARM_CALLS) / WARM_CALLS;
	if (took[0] < 1e-8)
		took[0] = 1e-8;
	if (!t->held)
		more = budget / 10 / (WARM_CALLS * took[0]);
	runs = more > MOST_WARM ? MOST_WARM : (int)more;
	MPI_Bcast(&runs, 1, MPI_INT, 0, MPI_COMM_WORLD);
	for (int i = 1; i <= runs; i++)
		took[i] = run(t, bytes, WARM_CALLS) / WARM_CALLS;
	MPI_Allreduce(took, slowest, runs + 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
	one = slowest[0];
	for (int i = 1; i <= runs; i++)
		if (slowest[i] < one)
			one = slowest[i];
	return one < 1e-8 ? 1e-8 : one;
}

static void measure(const struct test *t, const char *name, int bytes, double budget)
{
	int plan[2]; /* samples, calls in each */
	double one, *took, *slowest;
	size_t most = (size_t)bytes * (t->parts ? size : 1);

	out = calloc(most + 8, 1);
	in = calloc(most + 8, 1);
	memset(out, 1, most);
	memset(in, 1, most);
	if (!strcmp(t->name, "allreduce") || !strcmp(t->name, "reduce") || !strcmp(t->name, "scan") || !strcmp(t->name, "reducescatter")) {
		memset(in, 0, most);
		memset(out, 0, most);
	}
	if (t->grid)
		place(bytes);
	root = 0;
	run(t, bytes, 2);
	one = warm(t, bytes, budget);
	if (rank == 0) {
		double calls, samples;
		calls = 50e-6 / one;
		calls = calls < 1 ? 1 : calls > 200 ? 200 : calls;
		if (t->held)
			one = 4e-3, calls = 1;
		plan[1] = (int)calls;
		samples = budget / (one * plan[1]);
		samples = samples < LEAST_SAMPLES ? LEAST_SAMPLES : samples > MOST_SAMPLES ? MOST_SAMPLES : samples;
		plan[0] = (int)samples;
	}
	MPI_Bcast(plan, 2, MPI_INT, 0, MPI_COMM_WORLD);
	took = calloc(plan[0], sizeof *took);
	slowest = calloc(plan[0], sizeof *slowest);
	for (int i = 0; i < plan[0]; i++)
		took[i] = run(t, bytes, plan[1]) / plan[1] / t->messages * 1e9;
	MPI_Reduce(took, slowest, plan[0], MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
	if (rank == 0) {
		int last = plan[0] - 1;
		qsort(slowest, plan[0], sizeof *slowest, ascending);
		printf("row %s %d %d %.1f %.1f %.1f %.1f\n", name, bytes, plan[0],
			slowest[0], slowest[last / 2], slowest[last * 9 / 10], slowest[last * 99 / 100]);
		fflush(stdout);
	}
	if (t->grid)
		unplace();
	free(took);
	free(slowest);
	free(out);
	free(in);
}

int main(int argc, char **argv)
{
	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &size);
	double budget = argc > 1 ? atof(argv[1]) / 1000 : 0;
	for (int i = 2; i < argc; i++) {
		char *sizes = strchr(argv[i], ':');
		const struct test *t = NULL;
		if (!sizes)
			continue;
		*sizes++ = 0;
		char *slash = strchr(argv[i], '/');
		size_t n = strcspn(argv[i], "-/");
		threads = slash ? atoi(slash + 1) : 1;
		if (threads < 1 || threads > 64)
			continue;
		for (size_t k = 0; k < sizeof tests / sizeof *tests; k++)
			if (strlen(tests[k].name) == n && !strncmp(tests[k].name, argv[i], n) && (!slash || tests[k].held))
				t = &tests[k];
		reduces(argv[i] + n);
		for (char *s = strtok(sizes, ","); t && s; s = strtok(NULL, ","))
			measure(t, argv[i], atoi(s), budget);
	}
	MPI_Finalize();
	return 0;
}
