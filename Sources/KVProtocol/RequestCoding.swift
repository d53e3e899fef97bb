import KVModel
import NIOCore

// A request: number u32, operation u8, flags u8, length of the key u16, milliseconds u32, the key, then what the flags
// announce, in the order of `Flag`, and the rest of the operation. Integers are little-endian.

/// The codes of operations.
private enum Code {
    static let get: UInt8 = 1
    static let put: UInt8 = 2
    static let delete: UInt8 = 3
    static let add: UInt8 = 4
    static let touch: UInt8 = 5
    static let list: UInt8 = 6
}

private enum Flag {
    /// Two bits, the code of a condition.
    static let conditionMask: UInt8 = 0x03
    static let absent: UInt8 = 1
    static let present: UInt8 = 2
    /// A version follows.
    static let version: UInt8 = 3
    /// A lifetime follows: milliseconds, u64.
    static let lifetime: UInt8 = 0x04
    /// The key is to have no expiry any more.
    static let unlimited: UInt8 = 0x08
    /// A content type follows: its length u8, and so many bytes.
    static let contentType: UInt8 = 0x10
    /// Any replica may answer.
    static let stale: UInt8 = 0x20
    /// A page is to have values.
    static let values: UInt8 = 0x40
}

extension RequestFrame {
    package func write(to buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        let (code, flags) = codeAndFlags
        let keyLength = UInt16(clamping: key.bytes.count)
        buffer.writeMultipleIntegers(0 as UInt32, number, code, flags, keyLength, timeout, endianness: .little)
        key.bytes.withUnsafeBytes { _ = buffer.writeBytes($0.prefix(Int(keyLength))) }
        switch operation {
        case .get: break
        case .put(let put):
            buffer.write(put.condition)
            if case .milliseconds(let span) = put.lifetime { buffer.writeInteger(span, endianness: .little) }
            buffer.write(contentType: put.contentType)
            buffer.writeBytes(put.value)
        case .delete(let condition): buffer.write(condition)
        case .add(let addend, let lifetime):
            buffer.write(lifetime)
            buffer.writeInteger(addend, endianness: .little)
        case .touch(let lifetime): buffer.write(lifetime)
        case .list(let page):
            buffer.writeInteger(UInt16(clamping: page.limit), endianness: .little)
            buffer.writeBytes(page.cursor)
        }
        buffer.writeLength(from: start)
    }

    private var codeAndFlags: (code: UInt8, flags: UInt8) {
        switch operation {
        case .get(let consistency): return (Code.get, consistency == .stale ? Flag.stale : 0)
        case .put(let put):
            var flags = put.condition.flags
            if case .milliseconds = put.lifetime { flags |= Flag.lifetime }
            if !put.contentType.isEmpty { flags |= Flag.contentType }
            return (Code.put, flags)
        case .delete(let condition): return (Code.delete, condition.flags)
        case .add(_, let lifetime): return (Code.add, lifetime.flags)
        case .touch(let lifetime): return (Code.touch, lifetime.flags)
        case .list(let page): return (Code.list, page.values ? Flag.values : 0)
        }
    }

    /// Reads a frame without its length.
    /// - Throws: `FrameError` if it is none. What a valid frame asks for may still be refused.
    package init(reading frame: ByteBuffer) throws(FrameError) {
        var frame = frame
        guard
            let (number, code, flags, keyLength, timeout) = frame.readMultipleIntegers(
                endianness: .little, as: (UInt32, UInt8, UInt8, UInt16, UInt32).self),
            let key = frame.readBytes(length: Int(keyLength))
        else { throw .truncated }
        self.init(
            number: number, timeout: timeout, key: Key(key),
            operation: try ClientOperation(code: code, flags: flags, &frame))
        guard frame.readableBytes == 0 else { throw .trailingBytes(frame.readableBytes) }
    }
}

extension ClientOperation {
    fileprivate init(code: UInt8, flags: UInt8, _ frame: inout ByteBuffer) throws(FrameError) {
        var flags = FlagReader(flags)
        switch code {
        case Code.get: self = .get(flags.take(Flag.stale) ? .stale : .linearizable)
        case Code.put:
            var put = Put(value: [])
            put.condition = try flags.condition(&frame)
            if flags.take(Flag.lifetime) { put.lifetime = .milliseconds(try frame.readInteger("lifetime")) }
            if flags.take(Flag.contentType) { put.contentType = try frame.readShortText("content type") }
            put.value = frame.readBytes(length: frame.readableBytes) ?? []
            self = .put(put)
        case Code.delete: self = .delete(try flags.condition(&frame))
        case Code.add:
            let lifetime = try flags.lifetimeChange(&frame)
            self = .add(try frame.readInteger("addend"), lifetime: lifetime)
        case Code.touch: self = .touch(try flags.lifetimeChange(&frame))
        case Code.list:
            let limit: UInt16 = try frame.readInteger("limit")
            self = .list(
                ListPage(
                    cursor: frame.readBytes(length: frame.readableBytes) ?? [], limit: Int(limit),
                    values: flags.take(Flag.values)))
        default: throw .invalid("operation")
        }
        guard flags.isEmpty else { throw .invalid("flags") }
    }
}

/// The flags of a request, each taken once. Flags that its operation does not know are left.
private struct FlagReader {
    private var flags: UInt8

    init(_ flags: UInt8) { self.flags = flags }

    var isEmpty: Bool { flags == 0 }

    mutating func take(_ flag: UInt8) -> Bool {
        defer { flags &= ~flag }
        return flags & flag != 0
    }

    mutating func condition(_ frame: inout ByteBuffer) throws(FrameError) -> Condition {
        defer { flags &= ~Flag.conditionMask }
        switch flags & Flag.conditionMask {
        case 0: return .always
        case Flag.absent: return .ifAbsent
        case Flag.present: return .ifPresent
        default: return .ifVersion(try frame.readVersion())
        }
    }

    mutating func lifetimeChange(_ frame: inout ByteBuffer) throws(FrameError) -> Update.LifetimeChange {
        let isUnlimited = take(Flag.unlimited)
        guard take(Flag.lifetime) else { return isUnlimited ? .set(.unlimited) : .keep }
        guard !isUnlimited else { throw .invalid("lifetime") }
        return .set(.milliseconds(try frame.readInteger("lifetime")))
    }
}

extension Condition {
    fileprivate var flags: UInt8 {
        switch self {
        case .always: 0
        case .ifAbsent: Flag.absent
        case .ifPresent: Flag.present
        case .ifVersion: Flag.version
        }
    }
}

extension Update.LifetimeChange {
    /// A lifetime until a point in time is not sent by clients, whose clocks may differ from the nodes'.
    fileprivate var flags: UInt8 {
        switch self {
        case .keep: 0
        case .set(.milliseconds), .set(.until): Flag.lifetime
        case .set(.unlimited): Flag.unlimited
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func write(_ condition: Condition) {
        if case .ifVersion(let version) = condition { write(version) }
    }

    fileprivate mutating func write(_ lifetime: Update.LifetimeChange) {
        switch lifetime {
        case .keep, .set(.unlimited): break
        case .set(.milliseconds(let span)), .set(.until(let span)): writeInteger(span, endianness: .little)
        }
    }

    fileprivate mutating func write(contentType: String) {
        if !contentType.isEmpty { writeShortText(contentType) }
    }
}

// MARK: - Parts of both directions

extension ByteBuffer {
    /// Writes the length of a frame, whose bytes begin at `start` with room for it.
    mutating func writeLength(from start: Int) {
        let length = writerIndex - start - FrameReader.lengthBytes
        setInteger(UInt32(clamping: length), at: start, endianness: .little)
    }

    mutating func write(_ version: Version) {
        writeMultipleIntegers(version.ballot.raw, version.sequence, endianness: .little)
    }

    /// Its length in one byte, then UTF-8. Longer text is cut.
    mutating func writeShortText(_ text: String) {
        let bytes = text.utf8.prefix(Int(UInt8.max))
        writeInteger(UInt8(bytes.count))
        writeBytes(bytes)
    }

    mutating func readInteger<I: FixedWidthInteger>(_ field: String) throws(FrameError) -> I {
        guard let value: I = readInteger(endianness: .little) else { throw .truncated }
        return value
    }

    mutating func readVersion() throws(FrameError) -> Version {
        guard let (ballot, sequence) = readMultipleIntegers(endianness: .little, as: (UInt64, UInt64).self) else {
            throw .truncated
        }
        return Version(ballot: Ballot(raw: ballot), sequence: sequence)
    }

    mutating func readShortText(_ field: String) throws(FrameError) -> String {
        let length: UInt8 = try readInteger(field)
        guard let bytes = readBytes(length: Int(length)) else { throw .truncated }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .invalid(field) }
        return text
    }
}
