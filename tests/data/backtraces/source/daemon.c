/* A daemon in small: an event loop, a pool of workers, objects with locks. Each bug is one argument.
 * Built by ten compilers' settings it gives the stacks that tests/crash groups. */
#include <assert.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct domain { char *name; pthread_mutex_t lock; int fd; int refs; void (*on_death)(struct domain *); };
struct watch { int fd; struct domain *domain; };
typedef void (*job)(struct domain *);

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t pool_cond = PTHREAD_COND_INITIALIZER;
static job queued[4];
static struct domain *subject;
volatile int truth = 1, sum;

/* fd race: the watch was given to another descriptor meanwhile */
static inline struct domain *watch_domain(struct watch *w, int fd) { assert(fd == w->fd); return w->domain; }
__attribute__((noinline)) void osevent_occurred_fd(struct watch *w, int fd) { sum += watch_domain(w, fd)->refs; }
static void dispatch_handles(struct watch *w) { osevent_occurred_fd(w, 42); sum++; }

/* lock taken twice by one thread's error-checking mutex */
static inline void ctx_lock(pthread_mutex_t *m) { int r = pthread_mutex_lock(m); assert(!r); }
__attribute__((noinline)) void osevent_occurred_timeout(struct domain *d) { ctx_lock(&d->lock); ctx_lock(&d->lock); sum++; }
static void dispatch_timeouts(struct domain *d) { osevent_occurred_timeout(d); sum++; }

/* NULL name, three callers deep; static helpers that get inlined */
static int name_hash(const char *name) { int h = 0; while (*name) h = h * 31 + *name++; return h; }
__attribute__((noinline)) void list_remove(struct domain *d) { sum += name_hash(d->name); d->refs--; }
__attribute__((noinline)) void domain_destroy_flags(struct domain *d) { d->name = NULL; list_remove(d); sum++; }
void domain_destroy(struct domain *d) { domain_destroy_flags(d); sum++; }

/* the same place of the crash, but another way to it: another bug */
__attribute__((noinline)) void domain_rename_internal(struct domain *d) { d->name = NULL; list_remove(d); sum += 3; }
void domain_rename(struct domain *d) { domain_rename_internal(d); sum += 4; }

/* a callback that nobody set */
__attribute__((noinline)) void domain_shutdown_thread(struct domain *d) { d->on_death = truth ? NULL : domain_destroy; d->on_death(d); sum++; }
void domain_shutdown(struct domain *d) { domain_shutdown_thread(d); sum++; }

/* freed twice */
static void domain_free_name(struct domain *d) { free(d->name); }
__attribute__((noinline)) void domain_dispose(struct domain *d) { domain_free_name(d); sum++; domain_free_name(d); sum++; }
void domain_undefine(struct domain *d) { d->name = malloc(64 + truth); domain_dispose(d); sum++; }

/* the wrong length handed to the C library */
static void domain_copy(struct domain *d, char *into, size_t n) { memcpy(into, d->name, n); }
__attribute__((noinline)) void domain_format(struct domain *d) { char *into = malloc(16); domain_copy(d, into, (size_t)1 << (40 * truth)); sum += into[3]; }
void domain_get_xml(struct domain *d) { domain_format(d); sum++; }

/* two locks in two orders */
__attribute__((noinline)) void domain_start(struct domain *d) { pthread_mutex_lock(&d->lock); usleep(300000); pthread_mutex_lock(&list_lock); sum++; }
__attribute__((noinline)) void list_foreach(struct domain *d) { pthread_mutex_lock(&list_lock); usleep(300000); pthread_mutex_lock(&d->lock); sum++; }
void domain_create(struct domain *d) { domain_start(d); sum++; }
void connect_list(struct domain *d) { list_foreach(d); sum++; }

static void *worker(void *number)
{
    long own = (long)number;
    for (;;) {
        pthread_mutex_lock(&pool_lock);
        while (!queued[own]) pthread_cond_wait(&pool_cond, &pool_lock);
        job now = queued[own];
        queued[own] = NULL;
        pthread_mutex_unlock(&pool_lock);
        now(subject);
    }
    return NULL;
}

static void give(long number, job what)
{
    pthread_mutex_lock(&pool_lock);
    queued[number] = what;
    pthread_cond_broadcast(&pool_cond);
    pthread_mutex_unlock(&pool_lock);
}

__attribute__((noinline)) void event_run_once(struct watch *w, const char *bug)
{
    poll(NULL, 0, 100);
    if (!strcmp(bug, "fd")) dispatch_handles(w);
    if (!strcmp(bug, "timeout")) dispatch_timeouts(w->domain);
}

void server_run(struct watch *w, const char *bug) { for (;;) event_run_once(w, bug); }

int main(int argc, char **argv)
{
    static const struct { const char *name; job first, second; } bugs[] = {
        { "null", domain_destroy, NULL }, { "rename", domain_rename, NULL }, { "call", domain_shutdown, NULL },
        { "twice", domain_undefine, NULL }, { "length", domain_get_xml, NULL }, { "deadlock", domain_create, connect_list },
    };
    struct domain domain = { .name = "guest", .fd = 5 };
    pthread_mutexattr_t checked;
    const char *bug = argc > 1 ? argv[1] : "fd";
    pthread_mutexattr_init(&checked);
    pthread_mutexattr_settype(&checked, strcmp(bug, "timeout") ? PTHREAD_MUTEX_NORMAL : PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&domain.lock, &checked);
    subject = &domain;
    struct watch watch = { .fd = 41 + (truth ? 0 : 1), .domain = &domain };
    for (long i = 0; i < 4; i++) { pthread_t t; pthread_create(&t, NULL, worker, (void *)i); }
    for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++)
        if (!strcmp(bug, bugs[i].name)) { give(1, bugs[i].first); if (bugs[i].second) give(2, bugs[i].second); }
    server_run(&watch, bug);
    return 0;
}
