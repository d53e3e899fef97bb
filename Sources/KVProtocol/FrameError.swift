/// Why bytes of the client protocol are invalid. Their sender is broken or speaks another protocol, so the connection
/// is closed.
package enum FrameError: Error, Hashable, Sendable {
    /// The connection does not begin with the magic bytes.
    case notThisProtocol
    /// The frame ends inside a field.
    case truncated
    /// Bytes follow the last field.
    case trailingBytes(Int)
    /// A field has a value that it must not have.
    case invalid(String)
    /// A frame is larger than the limit, or smaller than the smallest frame. Both in bytes.
    case length(Int, limit: Int)
}

extension FrameError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notThisProtocol: "it does not speak kv's client protocol"
        case .truncated: "a frame ends inside a field"
        case .trailingBytes(let count): "\(count) bytes follow the last field of a frame"
        case .invalid(let field): "a frame has an invalid \(field)"
        case .length(let length, let limit): "a frame declares a length of \(length) bytes, of at most \(limit)"
        }
    }
}
