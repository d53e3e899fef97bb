import ArgumentParser
import CProcess
import Glibc
import KVCore

/// An argument as bytes: keys, values and paths need not be UTF-8.
///
/// The parser takes Strings, in which bytes that are not UTF-8 would be replaced. So in such an argument each byte from
/// 0x80 on becomes one of the last 256 scalars of the private use area. The same is done to an argument that contains
/// these scalars itself.
struct RawArgument: ExpressibleByArgument {
    var bytes: [UInt8]

    private static let base: UInt32 = 0x10FF00

    init(argument: String) {
        bytes = []
        for scalar in argument.unicodeScalars {
            if scalar.value >= Self.base {
                bytes.append(UInt8(truncatingIfNeeded: scalar.value))
            } else {
                bytes += Array(UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
    }

    /// Returns the String from which `init(argument:)` makes these bytes.
    static func encoded(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self), text.unicodeScalars.allSatisfy({ $0.value < base }) {
            return text
        }
        var text = String.UnicodeScalarView()
        for byte in bytes {
            text.append(Unicode.Scalar(byte < 0x80 ? UInt32(byte) : base + UInt32(byte)) ?? "\u{FFFD}")
        }
        return String(text)
    }

    /// Returns the arguments of this process, without the name of the program.
    static func commandLine() -> [String] {
        // CommandLine would read them from /proc, which may not exist.
        (1..<max(kv_argument_count(), 1)).compactMap { index in
            kv_argument(index).map { text in
                encoded(UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) })
            }
        }
    }
}

extension Key {
    /// Makes a key from an argument.
    init(_ argument: RawArgument) { self.init(argument.bytes) }
}
