// Two calls of Linux that the Glibc module does not show to Swift, because they need _GNU_SOURCE.
#ifndef KV_CLINUX_H
#define KV_CLINUX_H

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
    return syscall(SYS_preadv2, fd, &vector, 1ul, (unsigned long)offset, (unsigned long)(offset >> 32), 8 /* RWF_NOWAIT */);
}

/// `fallocate` without flags: reserves the blocks and extends the file with zeros.
static inline int kv_fallocate(int fd, uint64_t offset, uint64_t length) {
    return (int)syscall(SYS_fallocate, fd, 0, (off_t)offset, (off_t)length);
}

#endif
