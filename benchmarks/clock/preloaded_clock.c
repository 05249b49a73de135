/* A library to preload: the clocks of a process, and everything it waits for, run SPEED times as fast, and its clock of
 * the day shows another time.
 *
 * PRELOADED_CLOCK="SPEED REALTIME_NS SHOWN_NS MONOTONIC_NS" is in the environment of a whole tree of processes, which
 * therefore agree: at the true time REALTIME_NS the clock of the day showed SHOWN_NS; a clock shows
 * shown + SPEED * (true - origin), and what is waited for is as long by that clock. Times of files and of the kernel's
 * own deadlines (TCP) stay true. Python, DuckDB, Valkey and SQLite wait by these calls only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
/* Deadlines above are of the real clock, others of the monotonic one: no machine runs for thirty years. */
#define REALTIME_FROM_S 1000000000LL

/* A moment as the system knows it, and as the clock shows it. */
struct origin { int64_t true_ns, shown_ns; };

static double speed = 1.0;
static struct origin real, monotonic;

__attribute__((constructor)) static void read_environment(void) {
    const char *text = getenv("PRELOADED_CLOCK");
    long long real_ns, shown_ns, monotonic_ns;
    if (text != NULL && sscanf(text, "%lf %lld %lld %lld", &speed, &real_ns, &shown_ns, &monotonic_ns) == 4) {
        real = (struct origin){real_ns, shown_ns};
        monotonic = (struct origin){monotonic_ns, monotonic_ns};
    }
}

/* The library's own function; its newest version, which is not always the one that dlsym finds. */
#define TRUE_CALL(name, version) \
    static __typeof__(&name) call; \
    if (call == NULL) call = (__typeof__(&name))dlvsym(RTLD_NEXT, #name, version); \
    if (call == NULL) call = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int64_t nanoseconds(const struct timespec *time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec timespec_of(int64_t ns) {
    if (ns < 0) ns = 0;
    struct timespec time = {ns / SECOND, ns % SECOND};
    return time;
}

static const struct origin *origin_of(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? &real : &monotonic;
}

static int64_t shown(int64_t ns, const struct origin *origin) {
    return origin->shown_ns + (int64_t)((ns - origin->true_ns) * speed);
}
static struct timespec true_deadline(const struct timespec *deadline, const struct origin *origin) {
    return timespec_of(origin->true_ns + (int64_t)((nanoseconds(deadline) - origin->shown_ns) / speed));
}
static struct timespec true_duration(const struct timespec *duration) {
    return timespec_of((int64_t)(nanoseconds(duration) / speed));
}
/* Never 0 for something that should wait: a loop that waits for less than a millisecond would spin. */
static int true_milliseconds(int ms) { return ms <= 0 ? ms : (int)(ms / speed) + 1; }
static const struct origin *origin_of_deadline(const struct timespec *deadline) {
    return deadline->tv_sec > REALTIME_FROM_S ? &real : &monotonic;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    TRUE_CALL(clock_gettime, "GLIBC_2.17");
    int result = call(clock, time);
    switch (clock) {
        case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_COARSE:
        case CLOCK_MONOTONIC_RAW: case CLOCK_BOOTTIME:
            if (result == 0) *time = timespec_of(shown(nanoseconds(time), origin_of(clock)));
    }
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
    (void)zone;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    time->tv_sec = now.tv_sec, time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *result) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (result != NULL) *result = now.tv_sec;
    return now.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left) {
    TRUE_CALL(clock_nanosleep, "GLIBC_2.17");
    int is_deadline = flags & TIMER_ABSTIME;
    struct timespec wait = is_deadline ? true_deadline(wanted, origin_of(clock)) : true_duration(wanted);
    int result = call(clock, flags, &wait, left);
    if (result == EINTR && !is_deadline && left != NULL) *left = timespec_of((int64_t)(nanoseconds(left) * speed));
    return result;
}

int nanosleep(const struct timespec *wanted, struct timespec *left) {
    int error = clock_nanosleep(CLOCK_MONOTONIC, 0, wanted, left);
    if (error) errno = error;
    return error ? -1 : 0;
}

int usleep(useconds_t us) {
    struct timespec wanted = timespec_of(us * 1000LL);
    return nanosleep(&wanted, NULL);
}

unsigned int sleep(unsigned int seconds) {
    struct timespec wanted = {seconds, 0}, left = {0, 0};
    return nanosleep(&wanted, &left) == 0 ? 0 : (unsigned int)left.tv_sec;
}

int poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    TRUE_CALL(poll, "GLIBC_2.2.5");
    return call(fds, count, true_milliseconds(timeout_ms));
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask) {
    TRUE_CALL(ppoll, "GLIBC_2.4");
    struct timespec wait;
    if (timeout != NULL) wait = true_duration(timeout);
    return call(fds, count, timeout == NULL ? NULL : &wait, mask);
}

int select(int count, fd_set *readable, fd_set *writable, fd_set *failed, struct timeval *timeout) {
    TRUE_CALL(select, "GLIBC_2.2.5");
    struct timeval wait;
    if (timeout != NULL) {
        int64_t us = (int64_t)((timeout->tv_sec * 1000000LL + timeout->tv_usec) / speed);
        wait.tv_sec = us / 1000000, wait.tv_usec = us % 1000000;
    }
    return call(count, readable, writable, failed, timeout == NULL ? NULL : &wait);
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms) {
    TRUE_CALL(epoll_wait, "GLIBC_2.3.2");
    return call(fd, events, most, true_milliseconds(timeout_ms));
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout_ms, const sigset_t *mask) {
    TRUE_CALL(epoll_pwait, "GLIBC_2.6");
    return call(fd, events, most, true_milliseconds(timeout_ms), mask);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *deadline) {
    TRUE_CALL(sem_timedwait, "GLIBC_2.34");
    struct timespec until = true_deadline(deadline, &real);
    return call(semaphore, &until);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline) {
    TRUE_CALL(sem_clockwait, "GLIBC_2.34");
    struct timespec until = true_deadline(deadline, origin_of(clock));
    return call(semaphore, clock, &until);
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
    TRUE_CALL(pthread_cond_timedwait, "GLIBC_2.3.2");
    struct timespec until = true_deadline(deadline, origin_of_deadline(deadline));
    return call(condition, mutex, &until);
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *deadline) {
    TRUE_CALL(pthread_cond_clockwait, "GLIBC_2.34");
    struct timespec until = true_deadline(deadline, origin_of(clock));
    return call(condition, mutex, clock, &until);
}
