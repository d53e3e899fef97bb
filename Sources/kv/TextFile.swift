import Glibc

/// Writes files that a command makes besides its output.
enum TextFile {
    /// Creates or replaces a file.
    ///
    /// - Parameter next: the end of the message of a failure, after the file and the system's reason.
    static func write(_ text: String, to path: [UInt8], next: String) throws {
        func failure(_ reason: String) -> Failure {
            Failure(.data, "'\(String(decoding: path, as: UTF8.self))' cannot be written: \(reason); \(next)")
        }
        guard let file = fopen(path.map { CChar(bitPattern: $0) } + [0], "we") else { throw failure(reason()) }
        var text = text
        let count = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) }
        let complete = count == text.utf8.count
        let cause = reason()
        guard fclose(file) == 0 else { throw failure(complete ? reason() : cause) }
        guard complete else { throw failure(cause) }
    }

    private static func reason() -> String { String(cString: strerror(errno)) }
}
