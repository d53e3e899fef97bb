import KVModel
import NIOCore

// An answer: number u32, kind u8, flags u8, then what the flags announce, in the order of `Flag`, and the rest of the
// kind. Integers are little-endian.

private enum Kind {
    static let hello: UInt8 = 0
    static let value: UInt8 = 1
    static let absent: UInt8 = 2
    static let written: UInt8 = 3
    static let conditionFailed: UInt8 = 4
    static let integer: UInt8 = 5
    static let page: UInt8 = 6
    static let failed: UInt8 = 7
    static let goingAway: UInt8 = 8
}

private enum Flag {
    /// The executor follows: its length u8, and so many bytes.
    static let executor: UInt8 = 0x01
    /// A version follows: ballot and sequence number, u64 each.
    static let version: UInt8 = 0x02
    /// The time to live follows: milliseconds, u64.
    static let lifetime: UInt8 = 0x04
    /// The content type follows: its length u8, and so many bytes.
    static let contentType: UInt8 = 0x08
    /// A cursor follows: its length u32, and so many bytes.
    static let cursor: UInt8 = 0x10
}

extension AnswerFrame {
    package func write(to buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        let (kind, flags) = kindAndFlags
        buffer.writeMultipleIntegers(
            0 as UInt32, number, kind, flags | (executor == nil ? 0 : Flag.executor), endianness: .little)
        if let executor { buffer.writeShortText(executor) }
        switch content {
        case .value(let found): buffer.write(found)
        case .absent: break
        case .written(let version), .conditionFailed(let version):
            if let version { buffer.write(version) }
        case .integer(let value, let version):
            buffer.write(version)
            buffer.writeInteger(value, endianness: .little)
        case .page(let page): buffer.write(page)
        case .failed(let code, let message):
            buffer.writeInteger(code.rawValue)
            buffer.writeString(message)
        case .goingAway(let reason): buffer.writeString(reason)
        }
        buffer.writeLength(from: start)
    }

    private var kindAndFlags: (kind: UInt8, flags: UInt8) {
        switch content {
        case .value(let found): (Kind.value, Flag.version | found.flags)
        case .absent: (Kind.absent, 0)
        case .written(let version): (Kind.written, version == nil ? 0 : Flag.version)
        case .conditionFailed(let version): (Kind.conditionFailed, version == nil ? 0 : Flag.version)
        case .integer: (Kind.integer, Flag.version)
        case .page(let page): (Kind.page, page.cursor == nil ? 0 : Flag.cursor)
        case .failed: (Kind.failed, 0)
        case .goingAway: (Kind.goingAway, 0)
        }
    }

    /// Reads a frame without its length.
    package init(reading frame: ByteBuffer) throws(FrameError) {
        var frame = frame
        guard
            let (number, kind, flags) = frame.readMultipleIntegers(endianness: .little, as: (UInt32, UInt8, UInt8).self)
        else { throw .truncated }
        let executor = flags & Flag.executor != 0 ? try frame.readShortText("executor") : nil
        let content = try Content(kind: kind, flags: flags & ~Flag.executor, &frame)
        self.init(number: number, executor: executor, content)
        guard frame.readableBytes == 0 else { throw .trailingBytes(frame.readableBytes) }
    }
}

extension AnswerFrame.Content {
    fileprivate init(kind: UInt8, flags: UInt8, _ frame: inout ByteBuffer) throws(FrameError) {
        var allowed: UInt8 = 0
        switch kind {
        case Kind.value:
            allowed = Flag.version | Flag.lifetime | Flag.contentType
            var found = try frame.readFound(flags)
            found.value = frame.readBytes(length: frame.readableBytes) ?? []
            self = .value(found)
        case Kind.absent: self = .absent
        case Kind.written:
            allowed = Flag.version
            self = .written(flags & Flag.version == 0 ? nil : try frame.readVersion())
        case Kind.conditionFailed:
            allowed = Flag.version
            self = .conditionFailed(flags & Flag.version == 0 ? nil : try frame.readVersion())
        case Kind.integer:
            allowed = Flag.version
            let version = try frame.readVersion(flags)
            self = .integer(try frame.readInteger("integer"), version)
        case Kind.page:
            allowed = Flag.cursor
            self = .page(try frame.readPage(flags))
        case Kind.failed:
            guard let code = FailureCode(rawValue: try frame.readInteger("failure")) else { throw .invalid("failure") }
            self = .failed(code, frame.readText())
        case Kind.goingAway: self = .goingAway(frame.readText())
        default: throw .invalid("kind of answer")
        }
        guard flags & ~allowed == 0 else { throw .invalid("flags") }
    }
}

extension FoundValue {
    fileprivate var flags: UInt8 {
        (milliseconds == nil ? 0 : Flag.lifetime) | (contentType.isEmpty ? 0 : Flag.contentType)
    }
}

extension ByteBuffer {
    /// Without its flags, and without the length of the value, which is the rest of what it is in.
    fileprivate mutating func write(_ found: FoundValue) {
        write(found.version)
        if let milliseconds = found.milliseconds { writeInteger(milliseconds, endianness: .little) }
        if !found.contentType.isEmpty { writeShortText(found.contentType) }
        writeBytes(found.value)
    }

    /// Reads what `write` writes, without the value.
    fileprivate mutating func readFound(_ flags: UInt8) throws(FrameError) -> FoundValue {
        var found = FoundValue(version: try readVersion(flags), value: [])
        if flags & Flag.lifetime != 0 { found.milliseconds = try readInteger("time to live") }
        if flags & Flag.contentType != 0 { found.contentType = try readShortText("content type") }
        return found
    }

    fileprivate mutating func readVersion(_ flags: UInt8) throws(FrameError) -> Version {
        guard flags & Flag.version != 0 else { throw .invalid("flags") }
        return try readVersion()
    }

    fileprivate mutating func readText() -> String {
        String(decoding: readBytes(length: readableBytes) ?? [], as: UTF8.self)
    }

    // MARK: Pages

    /// The smallest entry: the length of its key and its flags.
    private static var smallestEntry: Int { 3 }

    fileprivate mutating func write(_ page: FoundPage) {
        if let cursor = page.cursor {
            writeInteger(UInt32(clamping: cursor.count), endianness: .little)
            writeBytes(cursor)
        }
        writeInteger(UInt32(clamping: page.entries.count), endianness: .little)
        for entry in page.entries {
            let flags = entry.found.map { Flag.version | $0.flags } ?? 0
            writeMultipleIntegers(UInt16(clamping: entry.key.bytes.count), flags, endianness: .little)
            writeBytes(entry.key.bytes)
            guard let found = entry.found else { continue }
            writeInteger(UInt32(clamping: found.value.count), endianness: .little)
            write(found)
        }
    }

    fileprivate mutating func readPage(_ flags: UInt8) throws(FrameError) -> FoundPage {
        var page = FoundPage(entries: [], cursor: nil)
        if flags & Flag.cursor != 0 {
            let length: UInt32 = try readInteger("cursor")
            guard let cursor = readBytes(length: Int(length)) else { throw .truncated }
            page.cursor = cursor
        }
        let count: UInt32 = try readInteger("count")
        guard Int(count) <= readableBytes / Self.smallestEntry else { throw .truncated }
        page.entries.reserveCapacity(Int(count))
        for _ in 0..<count { page.entries.append(try readEntry()) }
        return page
    }

    private mutating func readEntry() throws(FrameError) -> FoundPage.Entry {
        guard let (length, flags) = readMultipleIntegers(endianness: .little, as: (UInt16, UInt8).self),
            let key = readBytes(length: Int(length))
        else { throw .truncated }
        guard flags != 0 else { return FoundPage.Entry(key: Key(key), found: nil) }
        guard flags & ~(Flag.version | Flag.lifetime | Flag.contentType) == 0 else { throw .invalid("flags") }
        let size: UInt32 = try readInteger("length")
        var found = try readFound(flags)
        guard let value = readBytes(length: Int(size)) else { throw .truncated }
        found.value = value
        return FoundPage.Entry(key: Key(key), found: found)
    }
}

// MARK: - Hello

extension NodeHello {
    /// The longest hello.
    package static let largest = 512

    package func write(to buffer: inout ByteBuffer) {
        let start = buffer.writerIndex
        buffer.writeMultipleIntegers(0 as UInt32, 0 as UInt32, Kind.hello, 0 as UInt8, endianness: .little)
        buffer.writeMultipleIntegers(
            UInt32(clamping: inFlight), UInt32(clamping: key), UInt32(clamping: value), endianness: .little)
        buffer.writeShortText(node)
        buffer.writeLength(from: start)
    }

    /// Reads a frame without its length. What follows its fields is for later versions.
    package init(reading frame: ByteBuffer) throws(FrameError) {
        var frame = frame
        guard
            let (_, kind, _, inFlight, key, value) = frame.readMultipleIntegers(
                endianness: .little, as: (UInt32, UInt8, UInt8, UInt32, UInt32, UInt32).self)
        else { throw .truncated }
        guard kind == Kind.hello, inFlight > 0 else { throw .invalid("hello") }
        self.init(
            node: try frame.readShortText("node"), inFlight: Int(inFlight), key: Int(key), value: Int(value))
    }
}
