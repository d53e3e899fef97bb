import KVCore
import NIOCore

/// A request, in any protocol.
enum WireRequest: Hashable, Sendable {
    case get(key: Int)
    case set(key: Int)
    /// - Parameter at: chooses one of the cursors at which scans begin.
    case scan(at: UInt64, count: Int)
}

/// The meaning of an answer.
enum WireResult: Hashable, Sendable {
    case done
    /// The request was done, and there is no such key.
    case missing
    case failed(FailureKind, String)
    /// Nothing was done. The leader of the key has this address.
    case moved(Address)
    /// The answer belongs to no request.
    case unrelated
}

/// Encodes requests and decodes answers of a protocol, for one connection.
///
/// This is a class, so that its users need not be generic: the runtime would look up their types for each operation.
protocol ProtocolAdapter: AnyObject {
    /// Appends a request to the buffer.
    /// - Returns: the number of answers that will come for it.
    func write(_ request: WireRequest, to buffer: inout ByteBuffer) -> Int

    /// Takes the bytes that have arrived.
    func feed(_ bytes: inout ByteBuffer)

    /// Returns the next answer; nil if it has not arrived completely.
    /// - Throws: an error if the bytes cannot be understood; the connection is of no use then.
    func next() throws -> WireResult?

    /// Whether an answer has shown that another node leads a key that this one was asked for. Reading it clears it.
    func takeMisrouted() -> Bool
}
