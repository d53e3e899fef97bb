import Glibc

/// Standard output was closed by whoever read it; there is nobody left to tell.
struct BrokenOutput: Error {}

enum Output {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Of the terminal; nil where there is none, or it does not say.
    static var columns: Int? {
        var size = winsize()
        return ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : nil
    }

    /// Whether escape sequences are understood.
    static var canRedraw: Bool { isTerminal && environment("TERM") != "dumb" }

    /// Whether colours are wanted as well (no-color.org).
    static var hasColor: Bool { canRedraw && environment("NO_COLOR") == nil }

    static func write(_ bytes: [UInt8]) throws {
        switch write(bytes, to: STDOUT_FILENO) {
        case 0: break
        case EPIPE: throw BrokenOutput()
        case let code: throw Failure(.data, "standard output cannot be written: \(String(cString: strerror(code)))")
        }
    }

    static func write(_ text: String) throws { try write(Array(text.utf8)) }

    /// One line on standard error. What a server or a file put into it cannot steer the terminal.
    static func complain(_ message: String) {
        let line = message.unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? " " : String(scalar)
        }
        // Where even this fails there is nobody to tell.
        _ = write(Array("kv: \(line.joined())\n".utf8), to: STDERR_FILENO)
    }

    /// A question, on standard error.
    static func prompt(_ text: String) { _ = write(Array(text.utf8), to: STDERR_FILENO) }

    /// 0, or the error's number.
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
