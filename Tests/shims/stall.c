// Loaded before the C library: syncs hang for as long as the file that KV_TEST_STALL names is there.
// StalledDiskTests and Benchmarks/run memory use it.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd) {
    while (access(getenv("KV_TEST_STALL"), F_OK) == 0) usleep(10000);
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return next(fd);
}
