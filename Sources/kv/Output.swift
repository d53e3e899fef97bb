import Glibc

/// Standard output was closed by its reader. The command ends silently.
struct BrokenOutput: Error {}

enum Output {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// The width of the terminal; nil if there is none, or if it does not say.
    static var columns: Int? {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    /// Whether the terminal understands escape sequences.
    static var canRedraw: Bool { isTerminal && environment("TERM") != "dumb" }

    /// Whether to use colours as well (no-color.org).
    static var hasColor: Bool { canRedraw && environment("NO_COLOR") == nil }

    static func write(_ bytes: [UInt8]) throws {
        switch write(bytes, to: STDOUT_FILENO) {
        case 0: break
        case EPIPE: throw BrokenOutput()
        case let code: throw Failure(.data, "standard output cannot be written: \(String(cString: strerror(code)))")
        }
    }

    static func write(_ text: String) throws { try write(Array(text.utf8)) }

    /// Writes a line on standard error. Control characters are removed, as parts of it may come from a server or a
    /// file.
    static func complain(_ message: String) {
        let line = message.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? " " : String(scalar)
        }
        // If even this fails, there is nobody to tell.
        _ = write(Array("kv: \(line.joined())\n".utf8), to: STDERR_FILENO)
    }

    /// Writes a question on standard error.
    static func prompt(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

    /// Writes all bytes. Returns 0, or the number of the error.
    private static func write(_ bytes: [UInt8], to descriptor: CInt) -> CInt {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count >= 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                return errno
            }
        }
        return 0
    }
}
