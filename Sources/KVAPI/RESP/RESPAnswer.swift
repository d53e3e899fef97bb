import KVCore
import KVWire
import NIOCore

/// A reply before it is written, which depends on the version of the protocol.
enum RESPAnswer {
    case ok
    /// A line without line breaks.
    case simple(StaticString)
    case failure(RESPFailure)
    case integer(Int64)
    case bulk([UInt8])
    case text(String)
    case verbatim(String)
    case null
    case nullArray
    case array([RESPAnswer])
    case set([RESPAnswer])
    case map([(RESPAnswer, RESPAnswer)])
    /// A reply that has been written already. (Indirect, because it is the largest case and a rare one.)
    indirect case written(ByteBuffer)

    static func flag(_ value: Bool) -> Self { .integer(value ? 1 : 0) }

    /// About what it takes in memory, beyond itself. Bytes.
    var bytes: Int {
        switch self {
        case .ok, .simple, .integer, .null, .nullArray: 0
        case .failure(let failure): failure.bytes.count
        case .bulk(let bytes): bytes.count
        case .text(let text), .verbatim(let text): text.utf8.count
        case .array(let elements), .set(let elements): elements.reduce(0) { $0 + $1.bytes + 32 }
        case .written(let reply): reply.readableBytes
        case .map(let pairs): pairs.reduce(0) { $0 + $1.0.bytes + $1.1.bytes + 64 }
        }
    }
}

extension RESPReplyWriter {
    mutating func write(_ answer: RESPAnswer) {
        switch answer {
        case .ok: simple("OK")
        case .simple(let text): simple(text)
        case .failure(let failure): error(failure.bytes)
        case .integer(let value): integer(value)
        case .bulk(let bytes): bulk(bytes)
        case .text(let text): bulk(text)
        case .verbatim(let text): verbatim(text)
        case .null: null()
        case .nullArray: nullArray()
        case .array(let elements):
            array(elements.count)
            for element in elements { write(element) }
        case .set(let elements):
            set(elements.count)
            for element in elements { write(element) }
        case .written(let reply): whole(reply)
        case .map(let pairs):
            map(pairs.count)
            for (key, value) in pairs {
                write(key)
                write(value)
            }
        }
    }
}
