/* Says what time it sees for each line that it reads, while THREADS others ask for it all the time.
   A clock that goes wrong in itself, an error or a second of nanoseconds, ends it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Any thread may take a signal, and two may count at once: the sum is atomic. */
static _Atomic int signals;
static int busy;

static long long clock_ns(clockid_t id) {
    struct timespec at;
    if (clock_gettime(id, &at) != 0 || at.tv_nsec < 0 || at.tv_nsec > 999999999) abort();
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static long long day_ns(void) {
    struct timeval at;
    if (gettimeofday(&at, NULL) != 0 || at.tv_usec < 0 || at.tv_usec > 999999) abort();
    return at.tv_sec * 1000000000LL + at.tv_usec * 1000LL;
}

static void *ask(void *unused) {
    long long before = clock_ns(CLOCK_MONOTONIC);
    for (;;) {
        time_t stored;
        time_t seconds = time(&stored);
        if (stored != seconds) abort();
        clock_ns(CLOCK_REALTIME);
        day_ns();
        if (clock_gettime(999, NULL) == 0) abort();
        long long now = clock_ns(CLOCK_MONOTONIC);
        if (now < before) abort();
        before = now;
    }
    return unused;
}

static void count(int signal) {
    (void)signal;
    clock_ns(CLOCK_REALTIME);
    signals++;
}

static void threads(void) {
    for (int number = 0; number < busy; number++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, ask, NULL) != 0) abort();
    }
}

int main(int argc, char **argv) {
    char line[64];
    busy = argc > 1 ? atoi(argv[1]) : 0;
    setvbuf(stdin, NULL, _IONBF, 0);
    struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
    sigaction(SIGRTMIN, &action, NULL);
    threads();
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "fork\n") == 0) {
            int child = fork();
            if (child > 0) waitpid(child, NULL, 0);
            else threads();
            continue;
        }
        if (strcmp(line, "exec\n") == 0) execv("/proc/self/exe", argv);
        if (strcmp(line, "end\n") == 0) return 0;
        printf("clock %lld %lld %lld %lld %lld %lld %d %d\n", clock_ns(CLOCK_REALTIME),
               clock_ns(CLOCK_REALTIME_COARSE), clock_ns(CLOCK_TAI), day_ns(),
               time(NULL) * 1000000000LL, clock_ns(CLOCK_MONOTONIC), (int)signals, (int)getpid());
        fflush(stdout);
    }
    return 0;
}
