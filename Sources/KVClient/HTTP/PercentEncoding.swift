import NIOCore

/// `bytes` as a part of a URL: all but RFC 3986's unreserved characters encoded.
func percentEncoded(_ bytes: [UInt8]) -> String {
    var buffer = ByteBuffer()
    buffer.writePercentEncoded(bytes)
    return String(buffer: buffer)
}

extension ByteBuffer {
    /// Writes `bytes` as a part of a URL: all but RFC 3986's unreserved characters encoded.
    mutating func writePercentEncoded(_ bytes: [UInt8]) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: 3 * bytes.count) { output in
            var count = 0
            for byte in bytes {
                if isUnreserved(byte) {
                    output[count] = byte
                    count += 1
                } else {
                    output[count] = UInt8(ascii: "%")
                    output[count + 1] = hexDigit(byte >> 4)
                    output[count + 2] = hexDigit(byte & 15)
                    count += 3
                }
            }
            return count
        }
    }
}

private func isUnreserved(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        true
    default: false
    }
}

private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "A") + value - 10
}
