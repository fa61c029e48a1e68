/* Preloaded into a server: every alarm rings 4 to 12 ms late. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

typedef int set(__itimer_which_t, const struct itimerval *, struct itimerval *);

int setitimer(__itimer_which_t which, const struct itimerval *new, struct itimerval *old) {
  static set *real;
  static unsigned seed;
  struct itimerval late = *new;
  if (!real) {
    real = (set *)dlsym(RTLD_NEXT, "setitimer");
    seed = getpid();
  }
  if (late.it_value.tv_sec || late.it_value.tv_usec) {
    long us = late.it_value.tv_usec + 4000 + rand_r(&seed) % 8000;
    late.it_value.tv_sec += us / 1000000;
    late.it_value.tv_usec = us % 1000000;
  }
  return real(which, &late, old);
}
