/// The reason why nothing could be measured.
package enum BenchError: Error, Hashable, Sendable {
    /// No endpoint could be reached.
    case unreachable(String)
    /// Keys could not be loaded, or no operation was done.
    case nothingDone(String)
    /// The protocol that was chosen cannot do what was asked for.
    case unsupported(String)
}

extension BenchError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .unreachable(let message), .nothingDone(let message), .unsupported(let message): message
        }
    }
}
