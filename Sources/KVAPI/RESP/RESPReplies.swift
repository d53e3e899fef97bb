import KVCore
import KVWire
import NIOCore

/// The replies of a connection, in the order of its requests: each from when its request is taken until it is written.
/// `ReplyRoom` counts them against their limits.
struct RESPReplies {
    private enum Slot {
        case waiting
        case gathering(RESPGathering)
        case ready(RESPAnswer)
    }

    var room: ReplyRoom
    var writer = RESPReplyWriter()
    private var slots = CircularBuffer<Slot>(initialCapacity: 8)
    /// The number of the first slot.
    private var firstSequence: UInt64 = 0
    /// Reads whose values were larger than expected and are to be read again, the oldest first.
    private var aside: [ReadAside] = []

    init(room: ReplyRoom) { self.room = room }

    var count: Int { slots.count }
    var isEmpty: Bool { slots.isEmpty }
    /// Bytes of replies that are written and not taken.
    var written: Int { writer.pending.readableBytes }
    /// Whether no read waits to be carried out again because its value was larger than expected.
    var areAsExpected: Bool { aside.isEmpty }
    /// The number of the newest request.
    var lastSequence: UInt64 { firstSequence &+ UInt64(slots.count) &- 1 }

    // MARK: Taking requests in

    mutating func append(_ answer: RESPAnswer) {
        guard !slots.isEmpty else {
            firstSequence &+= 1
            return writer.write(answer)
        }
        room.ready += answer.bytes
        slots.append(.ready(answer))
    }

    mutating func appendWaiting() { slots.append(.waiting) }

    mutating func append(_ gathering: RESPGathering) { slots.append(.gathering(gathering)) }

    /// Drops all replies that are not written yet.
    mutating func forget() {
        firstSequence &+= UInt64(slots.count)
        slots.removeAll()
        aside = []
        room.ready = 0
    }

    // MARK: Answers

    /// Takes the answer to an operation.
    ///
    /// - Returns: the command on several keys that has ended with it, if one has.
    mutating func received(_ answer: RESPAnswer, to operation: OperationTable.Operation) -> RESPGathering? {
        room.ended(isRead: !operation.isWrite, counted: operation.counted, bytes: answer.bytes)
        guard let index = index(of: operation.sequence) else { return nil }
        guard let gathering = gathering(at: index) else {
            complete(index, answer)
            return nil
        }
        room.ready -= gathering.bytes
        guard gathering.received(answer, of: operation.part) else {
            room.ready += gathering.bytes
            return nil
        }
        complete(index, gathering.answer)
        return gathering
    }

    /// The oldest request has been answered.
    mutating func completeOldest(_ answer: RESPAnswer) { complete(0, answer) }

    /// The index of a reply's slot, or nil if the reply is not waited for any more.
    private func index(of sequence: UInt64) -> Int? {
        let index = Int(truncatingIfNeeded: sequence &- firstSequence)
        return index >= 0 && index < slots.count ? index : nil
    }

    private func gathering(at index: Int) -> RESPGathering? {
        guard index < slots.count else { return nil }
        if case .gathering(let gathering) = slots[slots.index(slots.startIndex, offsetBy: index)] { return gathering }
        return nil
    }

    /// Puts the reply into its slot. If that is the first slot, the reply is written, and with it all that follow and
    /// are ready.
    private mutating func complete(_ index: Int, _ answer: RESPAnswer) {
        guard index == 0 else {
            room.ready += answer.bytes
            slots[slots.index(slots.startIndex, offsetBy: index)] = .ready(answer)
            return
        }
        guard slots.popFirst() != nil else { return }
        firstSequence &+= 1
        writer.write(answer)
        while case .ready(let next)? = slots.first {
            _ = slots.popFirst()
            firstSequence &+= 1
            room.ready -= next.bytes
            writer.write(next)
        }
    }
}

// MARK: - What is larger than expected

/// A read whose value was larger than expected and was dropped. It stays under way in the table of operations, so that
/// later commands on its key wait for it.
struct ReadAside {
    /// The number of its request.
    let sequence: UInt64
    let token: Int
    /// The size of the value that it brought.
    let bytes: Int
}

extension RESPReplies {
    /// Drops a value that is larger than expected, if there is no room for it. It is read again when there is.
    ///
    /// - Parameter isMissing: whether the answer has only the size of the value.
    /// - Returns: false if the value is to be kept.
    mutating func putAside(
        _ operation: OperationTable.Operation, token: Int, _ bytes: Int, isMissing: Bool
    ) -> Bool {
        guard operation.counted < bytes, !operation.isWrite, operation.expectation.bringsValue,
            let index = index(of: operation.sequence)
        else { return false }
        let gathering = gathering(at: index)
        if gathering?.isOverfull == true { return false }
        // Replies that are written will make room when they are sent. After that, only the oldest request does.
        let mayNotWait = index == 0 && (gathering?.bytes ?? 0) == 0 && written + room.sending <= ReplyRoom.guaranteed
        let isKept =
            mayNotWait
            || room.mayKeep(bytes, written: written, isOldest: index == 0, counted: operation.counted)
        if isKept, !isMissing { return false }
        room.ended(isRead: true, counted: operation.counted, bytes: bytes)
        // Replies come in about the order of requests.
        var place = aside.count
        while place > 0, aside[place - 1].sequence > operation.sequence { place -= 1 }
        aside.insert(ReadAside(sequence: operation.sequence, token: token, bytes: bytes), at: place)
        return true
    }

    /// Takes the read that is to be carried out again now, if there is one.
    mutating func takeAside() -> ReadAside? {
        guard let first = aside.first else { return nil }
        let isOldest = first.sequence == firstSequence
        let isPart = isOldest && isGatheringOldest
        let mayNotWait =
            isOldest && (gathering(at: 0)?.bytes ?? 0) == 0 && room.reads == 0 && written + room.sending == 0
        guard mayNotWait || room.mayKeep(first.bytes, written: written, isOldest: isPart, counted: 0)
        else { return nil }
        return aside.removeFirst()
    }

    /// Whether the oldest request is a command on several keys.
    var isGatheringOldest: Bool { gathering(at: 0) != nil }

    /// Ends the oldest command with an error. The answers that it has gathered take the room that its other answers
    /// would need, and only its end gives that room back.
    ///
    /// - Returns: the command, and the tokens of its operations that were put aside and are not waited for any more.
    mutating func abandonOldest() -> (gathering: RESPGathering, tokens: [Int])? {
        guard let gathering = gathering(at: 0) else { return nil }
        room.ready -= gathering.bytes
        gathering.abandon(.noRoomForReplies)
        let parts = aside.prefix { $0.sequence == firstSequence }.map(\.token)
        aside.removeFirst(parts.count)
        for _ in parts { gathering.dropPart() }
        if gathering.isDone { complete(0, gathering.answer) }
        return (gathering, parts)
    }
}
