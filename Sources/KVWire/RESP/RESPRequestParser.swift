import NIOCore

/// Takes requests out of the bytes that a client of the Redis protocol sends: arrays of bulk strings, and inline
/// commands.
///
/// A server's half. The bytes stay where they arrived: a request is told as the places of its arguments. It goes on
/// where it stopped, so that a request that arrives in pieces costs no more than one that arrives whole, and believes
/// no length before the bytes are there. What is too large to be held is passed over, so that it can be refused by an
/// answer. Not copyable, lest a look at its arguments copies it.
package struct RESPRequestParser: ~Copyable, Sendable {
    package struct Limits: Hashable, Sendable {
        /// Bytes of an argument; a request with a longer one is passed over.
        package var argument: Int
        /// Bytes of a request; a longer one is passed over.
        package var request: Int

        package init(argument: Int, request: Int) {
            self.argument = argument
            self.request = request
        }
    }

    package enum Step: Hashable, Sendable {
        /// A request has come whole: `withArguments` shows it until the next step.
        case request
        /// More bytes are needed.
        case incomplete
        /// A request has come that is over a limit; nothing is left of it.
        case oversized(Excess)
        /// What came is not the protocol, and nothing after it can be understood. For good.
        case failed(RESPProtocolError)
    }

    /// What of a request was too large.
    package enum Excess: Hashable, Sendable {
        /// Bytes of the first argument that was.
        case argument(Int)
        case request
    }

    /// Elements of a request.
    package static let maximumArguments = 1 << 20
    /// Bytes of an argument, at which Redis ends the connection.
    package static let maximumBulk = 512 << 20
    /// Bytes of an inline command, and of a line with a length.
    package static let maximumLine = 64 << 10

    private let limits: Limits
    /// All offsets are from the reader index, where the request under way begins.
    private var position = 0
    /// Bytes from `position` on that hold no end of a line.
    private var searched = 0
    /// The request under way has been told; what it took is to be dropped.
    private var isTold = false
    /// Arguments that have yet to come whole; 0 between requests.
    private var missing = 0
    /// Of the argument that is coming; nil before its length has come.
    private var length: Int?
    private var places: [RESPArguments.Place] = []
    /// The arguments of an inline command: they cannot stay where they are, as quotes and escapes go.
    private var inline: [UInt8]?
    /// The request under way is over a limit.
    private var excess: Excess?
    /// Bytes of an argument of such a request that have yet to come, its line end included.
    private var passing = 0
    private var failure: RESPProtocolError?

    package init(limits: Limits) { self.limits = limits }

    /// Looks for the next request in what `input` has to read, and drops what came before it.
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

    /// The arguments of the request told last, in the `input` that it was found in: one at least.
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

    /// The length of the argument that begins at `position`; nil once it is known.
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

    /// Reads the number between the mark at `position` and the end of the line, and moves on behind it.
    private mutating func number(_ bytes: UnsafeRawBufferPointer) -> Number {
        var index = position + 1
        var value = 0
        // At most ten digits here: more are no number that is taken.
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

    /// An inline command; nil where the line was empty.
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
