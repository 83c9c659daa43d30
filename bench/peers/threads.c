/* The floor of the tests busyreceiver and busysender: what a transfer takes that a
 * thread beside the computing ones only has to be woken for. No MPI: processes that
 * share memory, in each of the upper half a thread that sleeps in a futex and copies
 * the message when it is rung. Its lines are those of message.c.
 *
 *   threads -np N BUDGET_MS TEST/THREADS:SIZE,... */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_SAMPLES = 2000, LEAST_SAMPLES = 5, MOST_PAIRS = 64, LINE = 64 };

/* What the two processes of a pair share. */
struct pair {
	_Alignas(LINE) _Atomic unsigned begin;  /* the upper one is to compute */
	_Alignas(LINE) _Atomic unsigned begun;  /* it does */
	_Alignas(LINE) _Atomic unsigned bell;   /* its thread is to copy */
	_Alignas(LINE) _Atomic unsigned done;   /* it has */
	_Alignas(LINE) _Atomic unsigned over;   /* it computes no more */
	double took[MOST_SAMPLES];
};

static struct pair *pairs;
static char *shared;
static int bytes, threads, samples;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void compute(double seconds)
{
	for (double end = now() + seconds; now() < end;)
		;
}

static void *computes(void *unused)
{
	compute(4e-3);
	return unused;
}

static void ring(_Atomic unsigned *w, unsigned to)
{
	atomic_store(w, to);
	syscall(SYS_futex, w, FUTEX_WAKE, 1, 0, 0, 0);
}

/* Spins, yields and sleeps, as ranks do. */
static void await(_Atomic unsigned *w, unsigned want, int patient)
{
	double began = now();
	while (patient && atomic_load(w) != want && now() < began + 50e-6)
		__builtin_ia32_pause();
	while (patient && atomic_load(w) != want && now() < began + 550e-6)
		sched_yield();
	while (atomic_load(w) != want)
		syscall(SYS_futex, w, FUTEX_WAIT, want - 1, 0, 0, 0);
}

static void *serves(void *at)
{
	struct pair *p = at;
	char *own = malloc(bytes + 1);
	memset(own, 1, bytes);
	for (int i = 1; i <= samples; i++) {
		await(&p->bell, i, 0);
		memcpy(own, shared, bytes);
		ring(&p->done, i);
	}
	free(own);
	return NULL;
}

static void upper(struct pair *p)
{
	pthread_t server, others[64];
	pthread_create(&server, NULL, serves, p);
	for (int i = 1; i <= samples; i++) {
		await(&p->begin, i, 1);
		ring(&p->begun, i);
		for (int k = 1; k < threads; k++)
			pthread_create(&others[k], NULL, computes, NULL);
		compute(4e-3);
		for (int k = 1; k < threads; k++)
			pthread_join(others[k], NULL);
		ring(&p->over, i);
	}
	pthread_join(server, NULL);
}

static void lower(struct pair *p)
{
	for (int i = 1; i <= samples; i++) {
		ring(&p->begin, i);
		await(&p->begun, i, 1);
		compute(2e-3 * (i % 16) / 16);
		double began = now();
		ring(&p->bell, i);
		await(&p->done, i, 1);
		p->took[i - 1] = now() - began;
		await(&p->over, i, 1);
	}
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void measure(const char *test, int n)
{
	static double slowest[MOST_SAMPLES];
	pairs = mmap(NULL, n * sizeof *pairs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shared = mmap(NULL, bytes + 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(shared, 1, bytes);
	for (int i = 0; i < 2 * n; i++)
		if (!fork()) {
			if (i < n)
				lower(&pairs[i]);
			else
				upper(&pairs[i - n]);
			_exit(0);
		}
	while (wait(NULL) > 0 || errno == EINTR)
		;
	for (int i = 0; i < samples; i++) {
		slowest[i] = 0;
		for (int k = 0; k < n; k++)
			if (pairs[k].took[i] > slowest[i])
				slowest[i] = pairs[k].took[i];
	}
	qsort(slowest, samples, sizeof *slowest, ascending);
	printf("row %s %d %d %.1f %.1f %.1f %.1f\n", test, bytes, samples, slowest[0] * 1e9,
		slowest[(samples - 1) / 2] * 1e9, slowest[(samples - 1) * 9 / 10] * 1e9, slowest[(samples - 1) * 99 / 100] * 1e9);
	fflush(stdout);
	munmap(pairs, n * sizeof *pairs);
	munmap(shared, bytes + 1);
}

int main(int argc, char **argv)
{
	if (argc < 4 || strcmp(argv[1], "-np"))
		return 2;
	int n = atoi(argv[2]) / 2;
	samples = atof(argv[3]) / 4;
	samples = samples < LEAST_SAMPLES ? LEAST_SAMPLES : samples > MOST_SAMPLES ? MOST_SAMPLES : samples;
	if (n < 1 || n > MOST_PAIRS)
		return 2;
	for (int i = 4; i < argc; i++) {
		char *sizes = strchr(argv[i], ':'), *slash;
		if (!sizes || strncmp(argv[i], "busy", 4))
			continue;
		*sizes++ = 0;
		slash = strchr(argv[i], '/');
		threads = slash ? atoi(slash + 1) : 1;
		if (threads < 1 || threads > 64)
			return 2;
		for (char *s = strtok(sizes, ","); s; s = strtok(NULL, ",")) {
			bytes = atoi(s);
			measure(argv[i], n);
		}
	}
	return 0;
}
