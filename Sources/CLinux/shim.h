// Calls that the Glibc module does not show to Swift, because they need _GNU_SOURCE or are of a header that it leaves
// out; and what Swift has no word for.
#ifndef KV_CLINUX_H
#define KV_CLINUX_H

#include <malloc.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/// `preadv2` of one buffer with RWF_NOWAIT: fails with EAGAIN where it would have to wait for the disk.
static inline ssize_t kv_pread_nowait(int fd, void *buffer, size_t length, uint64_t offset) {
    struct iovec vector = {buffer, length};
    // The offset goes as two words, of which a 64-bit kernel takes the first whole.
    unsigned long high = (unsigned long)(offset >> 32);
    return syscall(SYS_preadv2, fd, &vector, 1ul, (unsigned long)offset, high, 8 /* RWF_NOWAIT */);
}

/// `fallocate` without flags: reserves the blocks and extends the file with zeros.
static inline int kv_fallocate(int fd, uint64_t offset, uint64_t length) {
    return (int)syscall(SYS_fallocate, fd, 0, (off_t)offset, (off_t)length);
}

/// The calling thread does not interrupt others when it wakes up (SCHED_BATCH), unless somebody has chosen its policy
/// already.
static inline void kv_schedule_batch(void) {
    struct sched_param none = {0};
    if (sched_getscheduler(0) == SCHED_OTHER) sched_setscheduler(0, 3 /* SCHED_BATCH */, &none);
}

/// The number of processors that the calling thread may run on: fewer than the machine's under taskset, or in a cgroup
/// with a cpuset. 0 if the kernel does not say.
static inline int kv_allowed_processors(void) {
    unsigned long mask[1024] = {0};  // Of 65,536 processors; Linux has at most 8,192.
    long bytes = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long word = 0; word * (long)sizeof *mask < bytes; word++) count += __builtin_popcountl(mask[word]);
    return count;
}

/// The bytes that the C library keeps in its heaps for allocations to come, given back to the system or not.
static inline int64_t kv_free_bytes(void) { return (int64_t)mallinfo2().fordblks; }

/// Gives what the C library keeps back to the system. Threads that allocate may wait meanwhile.
static inline void kv_give_back_free_bytes(void) { malloc_trim(0); }

/// Has the processor fetch the memory at `address`, wherever that points: a hint, which waits for nothing.
static inline void kv_prefetch(const void *address) { __builtin_prefetch(address); }

#endif
