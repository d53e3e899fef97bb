#ifndef KV_CCHECKSUM_H
#define KV_CCHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/// CRC-32C (Castagnoli) of `length` bytes, continuing from `crc` (0 to begin).
/// Uses the processor's instruction where there is one.
uint32_t kv_crc32c(uint32_t crc, const void *bytes, size_t length);

/// The same by table, for processors without the instruction and to test against.
uint32_t kv_crc32c_portable(uint32_t crc, const void *bytes, size_t length);

#endif
