/* Preloaded into a redis-server: the wall clock is what the file named by WALL_CLOCK says, in microseconds since 1970. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

static volatile const int64_t *at;

__attribute__((constructor)) static void open_clock(void) {
	int file = open(getenv("WALL_CLOCK"), O_RDONLY);
	void *page = mmap(NULL, sizeof *at, PROT_READ, MAP_SHARED, file, 0);
	if (file < 0 || page == MAP_FAILED) abort();
	at = page;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
	int64_t us = *at;
	(void)zone;
	now->tv_sec = us / 1000000;
	now->tv_usec = us % 1000000;
	return 0;
}
