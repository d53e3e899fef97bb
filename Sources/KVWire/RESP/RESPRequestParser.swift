import NIOCore

/// Parses requests from the bytes that a client of the Redis protocol sends: arrays of bulk strings, and inline
/// commands.
///
/// It is for servers. The bytes stay where they arrived: a request is the positions of its arguments. The parser goes
/// on where it stopped, so a request that arrives in pieces costs no more than one that arrives whole. It allocates
/// nothing for a declared length before the bytes have arrived. It skips a request that is too large to be held, so
/// that it can be refused by a reply. Not copyable, so that looking at the arguments never copies it.
package struct RESPRequestParser: ~Copyable, Sendable {
    package struct Limits: Hashable, Sendable {
        /// The most bytes of an argument; a request with a longer one is skipped.
        package var argument: Int
        /// The most bytes of a request; a longer one is skipped.
        package var request: Int

        package init(argument: Int, request: Int) {
            self.argument = argument
            self.request = request
        }
    }

    package enum Step: Hashable, Sendable {
        /// A request has arrived whole. `withArguments` returns it until the next step.
        case request
        /// More bytes are needed.
        case incomplete
        /// A request over a limit has arrived; it has been skipped.
        case oversized(Excess)
        /// The bytes are not the protocol, and nothing after them can be understood. This is final.
        case failed(RESPProtocolError)
    }

    /// The part of a request that was too large.
    package enum Excess: Hashable, Sendable {
        /// The size in bytes of the first argument over the limit.
        case argument(Int)
        case request
    }

    /// The most elements of a request.
    package static let maximumArguments = 1 << 20
    /// The most bytes of an argument; Redis ends the connection at more.
    package static let maximumBulk = 512 << 20
    /// The most bytes of an inline command, and of a line with a length.
    package static let maximumLine = 64 << 10

    private let limits: Limits
    /// The position in the input. All offsets count from the reader index, where the present request begins.
    private var position = 0
    /// The number of bytes from `position` on that contain no end of a line.
    private var searched = 0
    /// True when the present request has been returned: its bytes are dropped by the next step.
    private var isTold = false
    /// The number of arguments that have not arrived whole; 0 between requests.
    private var missing = 0
    /// The length of the argument that is arriving; nil before its length has arrived.
    private var length: Int?
    private var places: [RESPArguments.Place] = []
    /// The arguments of an inline command. They cannot stay where they are, because quotes and escapes are removed.
    private var inline: [UInt8]?
    /// Set when the present request is over a limit.
    private var excess: Excess?
    /// The bytes of such a request's argument that have not arrived, including its line end.
    private var passing = 0
    private var failure: RESPProtocolError?

    package init(limits: Limits) { self.limits = limits }

    /// Parses the next request in `input`, and drops the bytes before it.
    package mutating func next(_ input: inout ByteBuffer) -> Step {
        if let failure { return .failed(failure) }
        if isTold { beginRequest(&input) }
        let step = input.withUnsafeReadableBytes { scan($0) }
        switch step {
        case .request, .oversized: isTold = true
        case .failed(let error): failure = error
        // Neither empty requests nor one that is over a limit are kept.
        case .incomplete: if missing == 0 || excess != nil { drop(&input) }
        }
        return step
    }

    /// Calls `body` with the arguments of the request that was returned last, in the `input` that it was found in.
    /// There is at least one.
    @inline(__always)
    package func withArguments<Result>(_ input: ByteBuffer, _ body: (RESPArguments) -> Result) -> Result {
        if let inline { return inline.withUnsafeBytes { body(RESPArguments(bytes: $0, places: places)) } }
        return input.withUnsafeReadableBytes { body(RESPArguments(bytes: $0, places: places)) }
    }

    private mutating func drop(_ input: inout ByteBuffer) {
        input.moveReaderIndex(forwardBy: min(position, input.readableBytes))
        position = 0
    }

    private mutating func beginRequest(_ input: inout ByteBuffer) {
        drop(&input)
        isTold = false
        length = nil
        inline = nil
        excess = nil
        places.removeAll(keepingCapacity: true)
    }

    private mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Step {
        while missing == 0 {
            guard position < bytes.count else { return .incomplete }
            guard bytes[position] == UInt8(ascii: "*") else {
                if let step = scanInline(bytes) { return step }
                continue
            }
            switch number(bytes) {
            case .incomplete: return .incomplete
            case .tooLong: return .failed(.longCount)
            case .invalid: return .failed(.count)
            case .value(let count) where count > Self.maximumArguments: return .failed(.count)
            case .value(let count): missing = max(count, 0)
            }
        }
        return scanArguments(bytes)
    }

    private mutating func scanArguments(_ bytes: UnsafeRawBufferPointer) -> Step {
        while missing > 0 {
            guard let length else {
                if let step = scanLength(bytes) { return step }
                continue
            }
            if excess == nil {
                let end = position + length + 2
                guard end <= bytes.count else { return .incomplete }
                places.append(RESPArguments.Place(start: position, count: length))
                position = end
            } else {
                let part = min(passing, bytes.count - position)
                position += part
                passing -= part
                guard passing == 0 else { return .incomplete }
            }
            self.length = nil
            missing -= 1
        }
        return excess.map(Step.oversized) ?? .request
    }

    /// Reads the length of the argument at `position`, and returns nil once it is known.
    private mutating func scanLength(_ bytes: UnsafeRawBufferPointer) -> Step? {
        guard position < bytes.count else { return .incomplete }
        guard bytes[position] == UInt8(ascii: "$") else { return .failed(.mark(bytes[position])) }
        switch number(bytes) {
        case .incomplete: return .incomplete
        case .tooLong: return .failed(.longLength)
        case .value(let count) where 0...Self.maximumBulk ~= count:
            length = count
            guard excess != nil || count > limits.argument || position + count > limits.request else { return nil }
            excess = excess ?? (count > limits.argument ? .argument(count) : .request)
            passing = count + 2
            return nil
        case .value, .invalid: return .failed(.length)
        }
    }
}

// MARK: - Lines

extension RESPRequestParser {
    private enum Number {
        case value(Int)
        case incomplete
        case invalid
        case tooLong
    }

    /// Reads the number between the byte at `position` and the end of the line, and moves beyond the line.
    private mutating func number(_ bytes: UnsafeRawBufferPointer) -> Number {
        var index = position + 1
        var value = 0
        // At most ten digits are read here; `unusualNumber` handles the rest.
        let end = min(bytes.count, index + 10)
        while index < end, case let digit = bytes[index] &- UInt8(ascii: "0"), digit <= 9 {
            value = value * 10 + Int(digit)
            index += 1
        }
        if index + 1 < bytes.count, bytes[index] == UInt8(ascii: "\r"), index > position + 1,
            bytes[position + 1] != UInt8(ascii: "0") || index == position + 2
        {
            position = index + 2
            searched = 0
            return .value(value)
        }
        return unusualNumber(bytes)
    }

    private mutating func unusualNumber(_ bytes: UnsafeRawBufferPointer) -> Number {
        let from = min(max(position + 1, position + searched), bytes.count)
        guard let end = bytes[from...].firstIndex(of: UInt8(ascii: "\r")), end + 1 < bytes.count else {
            searched = max(bytes.count - position - 1, 0)
            return bytes.count - position > Self.maximumLine ? .tooLong : .incomplete
        }
        guard let value = decimalInteger(UnsafeRawBufferPointer(rebasing: bytes[(position + 1)..<end])) else {
            return .invalid
        }
        position = end + 2
        searched = 0
        return .value(Int(value))
    }

    /// Parses an inline command; nil when the line was empty.
    private mutating func scanInline(_ bytes: UnsafeRawBufferPointer) -> Step? {
        let from = min(position + searched, bytes.count)
        guard let newline = bytes[from...].firstIndex(of: UInt8(ascii: "\n")) else {
            searched = bytes.count - position
            return searched > Self.maximumLine ? .failed(.longInline) : .incomplete
        }
        guard newline - position <= Self.maximumLine else { return .failed(.longInline) }
        var line = bytes[position..<newline]
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        position = newline + 1
        searched = 0
        guard let words = InlineWords(UnsafeRawBufferPointer(rebasing: line)) else { return .failed(.quotes) }
        guard !words.places.isEmpty else { return nil }
        inline = words.bytes
        places = words.places
        return .request
    }
}
