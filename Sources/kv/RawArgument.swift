import ArgumentParser
import CProcess
import Glibc
import KVCore

/// An argument as bytes: a key, a value or a path need not be UTF-8.
///
/// The parser takes Strings, which would replace what is not UTF-8. So such an argument passes it with each byte from
/// 0x80 on as a scalar of the private use area's last 256, and so does one that holds those scalars itself.
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

    /// What `init(argument:)` gives these bytes for.
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

    /// This process's arguments, without the program's name.
    static func commandLine() -> [String] {
        // CommandLine would read them from /proc, which may not be there.
        (1..<max(kv_argument_count(), 1)).compactMap { index in
            kv_argument(index).map { text in
                encoded(UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) })
            }
        }
    }
}

extension Key {
    /// A key from the command line.
    init(_ argument: RawArgument) { self.init(argument.bytes) }
}
