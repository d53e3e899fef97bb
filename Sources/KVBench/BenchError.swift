/// Why nothing could be measured.
package enum BenchError: Error, Hashable, Sendable {
    /// No endpoint could be asked.
    case unreachable(String)
    /// Keys could not be loaded, or no operation was done.
    case nothingDone(String)
    /// What was asked for is not to be had this way.
    case unsupported(String)
}

extension BenchError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let message), .nothingDone(let message), .unsupported(let message): message
        }
    }
}
