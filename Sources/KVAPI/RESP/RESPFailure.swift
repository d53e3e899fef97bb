import KVCore
import KVProtocol
import KVWire

/// An error reply. It has Redis's words where Redis has the same error. The first word is the kind of the error, which
/// clients look at.
struct RESPFailure: Error, Hashable {
    /// UTF-8, except for the words of the client that it repeats.
    let bytes: [UInt8]
    /// Decides which of several failures a command of several keys is answered with.
    let severity: Severity

    enum Severity: Int, Comparable {
        case plain
        /// A change may have taken effect.
        case inDoubt
        /// Another node is to be asked.
        case moved

        static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    }

    init(_ text: String, _ severity: Severity = .plain) {
        bytes = Array(text.utf8)
        self.severity = severity
    }

    private init(_ before: String, _ repeated: some Sequence<UInt8>, _ after: String) {
        severity = .plain
        bytes = Array(before.utf8) + repeated + Array(after.utf8)
    }

    var text: String { String(decoding: bytes, as: UTF8.self) }

    static let syntax = Self("ERR syntax error")
    static let notAnInteger = Self("ERR value is not an integer or out of range")
    static let notANumber = Self("ERR value is not a valid float")
    static let notFinite = Self("ERR increment would produce NaN or Infinity")
    static let overflow = Self("ERR increment or decrement would overflow")
    static let decrementOverflow = Self("ERR decrement would overflow")
    static let tooLong = Self("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    static let offset = Self("ERR offset is out of range")
    static let crossSlot = Self("CROSSSLOT Keys in request don't hash to the same slot")
    static let wrongPassword = Self("WRONGPASS invalid username-password pair or user is disabled.")
    static let noPassword = Self(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
            + "configuration is correct?")

    static func arguments(of command: String) -> Self { Self("ERR wrong number of arguments for '\(command)' command") }

    static func expireTime(in command: StaticString) -> Self { Self("ERR invalid expire time in '\(command)' command") }

    static func unknownSubcommand(_ name: UnsafeRawBufferPointer, of command: String) -> Self {
        Self("ERR unknown subcommand '", shown(name), "'. Try \(command.uppercased()) HELP.")
    }

    /// There is no command of this name. Its arguments are repeated in the message.
    static func unknownCommand(_ arguments: RESPArguments) -> Self {
        var given = Array("', with args beginning with: ".utf8)
        let head = given.count
        var index = 1
        while index < arguments.count, given.count - head < shownBytes {
            given.append(UInt8(ascii: "'"))
            // The quote that has just been opened does not count.
            given += shown(arguments[index], upTo: shownBytes - (given.count - head - 1))
            given += Array("' ".utf8)
            index += 1
        }
        return Self("ERR unknown command '", shown(arguments[0]) + given, "")
    }

    static func unsupportedOption(_ option: UnsafeRawBufferPointer) -> Self {
        Self("ERR Unsupported option ", option.prefix { $0 != 0 }, "")
    }

    /// How many bytes of a client's words are repeated to it.
    private static let shownBytes = 128

    private static func shown(_ bytes: UnsafeRawBufferPointer, upTo count: Int = shownBytes) -> [UInt8] {
        Array(bytes.prefix(count).prefix { $0 != 0 })
    }
}

// MARK: - Limits of the node

extension RESPFailure {
    static func keyTooLong(_ bytes: Int, limit: Int) -> Self {
        Self("ERR " + LimitText.keyTooLong(bytes, limit: limit))
    }

    static func valueTooLong(_ bytes: Int, limit: Int) -> Self {
        Self("ERR " + LimitText.valueTooLong(bytes, limit: limit))
    }

    static func valuesTooLong(_ bytes: Int, limit: Int) -> Self {
        Self(
            "ERR the value and the one that the key is to hold have \(bytes) bytes together, over the limit of "
                + "\(limit); HTTP's If-Match compares versions instead")
    }

    static func tooManyMatches(limit: Int) -> Self {
        Self("ERR the keys that match have more than \(limit) bytes; use SCAN")
    }

    static func afterRefusedTransaction(_ command: String) -> Self {
        Self(
            "ERR '\(command)' was not carried out: it is in a transaction, and MULTI was refused; "
                + "EXEC or DISCARD ends it"
        )
    }

    static func tooManyBytes(limit: Int) -> Self {
        Self("ERR the values have more than \(limit) bytes together; ask for fewer keys at a time")
    }

    /// The replies of other clients take the room that this one would need.
    static let noRoomForReplies = Self(
        "BUSY "
            + FailureText.noRoomForReplies(advice: "ask for fewer keys at a time, and read replies as they come"))

    static func unreadReplies(for time: Nanoseconds) -> Self {
        Self(
            "ERR this connection ends here, and what was sent after the last reply was not carried out: its client "
                + "has read nothing for \(time.milliseconds / 1000) s, and no more of its requests may wait; read "
                + "replies while sending, or send fewer requests at a time")
    }

    init(_ excess: RESPRequestParser.Excess, limits: RequestLimits, request: Int) {
        switch excess {
        case .argument(let bytes) where bytes > limits.value: self = .valueTooLong(bytes, limit: limits.value)
        case .argument(let bytes): self = .keyTooLong(bytes, limit: limits.key)
        case .request:
            self.init("ERR the request has more than \(request) bytes; split it over several")
        }
    }
}

// MARK: - What became of a command

extension RESPFailure {
    init(_ refusal: Refusal) {
        let kind =
            switch refusal {
            case .noLeader, .stopping, .noReplica, .notMember: "CLUSTERDOWN"
            case .overloaded: "BUSY"
            case .diskFull: "MISCONF"
            }
        self.init("\(kind) \(FailureText.of(refusal))")
    }

    init(_ uncertainty: Uncertainty) { self.init("OUTCOMEUNKNOWN \(FailureText.of(uncertainty))", .inDoubt) }

    init(_ misfit: Misfit) {
        switch misfit {
        case .notAnInteger: self = .notAnInteger
        case .overflow: self = .overflow
        case .notANumber: self = .notANumber
        case .notFinite: self = .notFinite
        case .tooLong: self = .tooLong
        }
    }

    static func moved(_ slot: Slot, _ address: Address) -> Self {
        Self("MOVED \(slot) \(address.host):\(address.port)", .moved)
    }

    static let unfitting = Self("ERR \(FailureText.unfitting)")

    /// A command of several keys that was not carried out on all of them.
    static func partly(_ failed: Int, of count: Int, _ first: RESPFailure) -> Self {
        let words = first.text.split(separator: " ", maxSplits: 1)
        guard words.count == 2 else { return first }
        return Self(
            "\(words[0]) \(failed) of \(count) keys failed, the others were served; the first failed so: \(words[1])")
    }
}
