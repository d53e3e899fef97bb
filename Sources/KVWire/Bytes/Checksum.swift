import CChecksum
import NIOCore

/// CRC-32C (Castagnoli) of `bytes`.
func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
    kv_crc32c(0, bytes.baseAddress, bytes.count)
}

/// CRC-32C of a buffer's readable bytes, without copying them.
func checksum(_ buffer: ByteBuffer) -> UInt32 {
    buffer.withUnsafeReadableBytes { checksum($0) }
}
