import KVCore
import NIOCore

/// One request.
enum WireRequest: Hashable, Sendable {
    case get(key: Int)
    case set(key: Int)
    /// - Parameter at: chooses one of the places from which scans may begin.
    case scan(at: UInt64, count: Int)
}

/// What an answer says.
enum WireResult: Hashable, Sendable {
    case done
    /// Done, and there is no such key.
    case missing
    case failed(FailureKind, String)
    /// Nothing was done here; the key is led there.
    case moved(Address)
    /// Not the answer of a request, or not of interest.
    case unrelated
}

/// A protocol as the generator speaks it on one connection.
///
/// A class, so that what drives it need not be generic: the runtime would look its types up for each operation.
protocol ProtocolAdapter: AnyObject {
    /// Appends a request.
    /// - Returns: how many answers will come for it.
    func write(_ request: WireRequest, to buffer: inout ByteBuffer) -> Int

    /// Takes bytes that have arrived.
    func feed(_ bytes: inout ByteBuffer)

    /// The next answer; nil until it has arrived whole.
    /// - Throws: what follows cannot be understood.
    func next() throws -> WireResult?

    /// Another node than this connection's seems to lead what it was asked; cleared by asking.
    func takeMisrouted() -> Bool
}
