import KVCore

// What nodes tell each other of leases.

extension ByteWriter {
    mutating func optionalMark(_ mark: PromiseMark?) {
        guard let mark else { return byte(0) }
        byte(1)
        varint(mark.boot)
        varint(mark.taken)
    }

    mutating func question(_ question: SupportQuestion) {
        varint(question.asked.nanoseconds)
        varint(question.boot)
    }

    mutating func answer(_ answer: SupportAnswer) {
        question(answer.question)
        varint(answer.boot)
        varint(count: answer.taken.count)
        for taken in answer.taken { varint(taken) }
    }
}

extension ByteReader {
    mutating func confirmed(_ protocolVersion: UInt16) throws(WireError) -> ReplicaMessage {
        let round = try varint()
        guard protocolVersion >= Handshake.firstWithLeases, try boolean("mark") else { return .confirmed(round: round) }
        return .confirmed(round: round, mark: PromiseMark(boot: try varint(), taken: try varint()))
    }

    mutating func supportQuestion() throws(WireError) -> SupportQuestion {
        SupportQuestion(asked: Instant(nanoseconds: try varint()), boot: try varint())
    }

    mutating func supportAnswer() throws(WireError) -> SupportAnswer {
        let (question, boot) = (try supportQuestion(), try varint())
        let count = try count(of: "list of shards", size: 1)
        guard (1...LeadershipUpdate.maximumShards).contains(count) else { throw .invalid("list of shards") }
        var taken: [UInt64] = []
        taken.reserveCapacity(count)
        for _ in 0..<count { taken.append(try varint()) }
        return SupportAnswer(question: question, boot: boot, taken: taken)
    }
}
