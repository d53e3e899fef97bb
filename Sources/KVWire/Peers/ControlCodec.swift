import KVCore

// Encodes operators' requests to the coordinator, and its replies.

/// The most bytes of the sentence in a refusal; a longer one is cut.
private let maximumSentence = 4096

extension ByteWriter {
    mutating func control(_ request: ControlRequest) {
        switch request {
        case .change(let wanted, let isDryRun):
            code(ControlRequestType.change)
            change(wanted)
            byte(isDryRun ? 1 : 0)
        case .split(let partitions, let isDryRun):
            code(ControlRequestType.split)
            varint(count: partitions)
            byte(isDryRun ? 1 : 0)
        case .pause: code(ControlRequestType.pause)
        case .resume: code(ControlRequestType.resume)
        case .cancel: code(ControlRequestType.cancel)
        case .status: code(ControlRequestType.status)
        }
    }

    private mutating func change(_ change: MembershipChange) {
        varint(count: change.joins.count)
        for join in change.joins {
            asked(join.id)
            byte(join.weight == nil ? 0 : 1)
            if let weight = join.weight { varint(count: weight) }
            optionalString(join.zone?.cut(to: TopologyCodec.maximumText))
            optionalString(join.replaces?.cut(to: TopologyCodec.maximumText))
        }
        varint(count: change.leaves.count)
        for id in change.leaves { asked(id) }
        byte(change.isForced ? 1 : 0)
    }

    /// Writes a name as a user typed it. A name that is too long is no member's, cut or not, and the coordinator says
    /// so.
    private mutating func asked(_ name: String) { string(name.cut(to: TopologyCodec.maximumText)) }

    mutating func control(_ reply: ControlReply) {
        switch reply {
        case .plan(let status):
            code(ControlReplyType.plan)
            byte(status == nil ? 0 : 1)
            if let status { plan(status) }
        case .refused(let refusal, let sentence):
            code(ControlReplyType.refused)
            code(refusal)
            string(sentence.cut(to: maximumSentence))
        case .unknown:
            code(ControlReplyType.unknown)
        case .notCoordinator(let hint):
            code(ControlReplyType.notCoordinator)
            optionalNode(hint)
        }
    }

    private mutating func plan(_ status: PlanStatus) {
        varint(status.id)
        code(status.reason)
        if status.reason == .split {
            varint(count: status.partitions)
            varint(count: status.splitTo)
            optionalString(status.waitsFor)
        }
        varint(count: status.joining.count)
        for id in status.joining { string(id) }
        varint(count: status.leaving.count)
        for id in status.leaving { string(id) }
        byte(status.isPaused ? 1 : 0)
        byte(status.isCancelling ? 1 : 0)
        varint(count: status.moves)
        varint(count: status.movesDone)
        varint(count: status.partitionsLeft)
        varint(count: status.minimum)
        varint(status.bytes)
        varint(status.bytesDone)
        varint(status.rate)
        let shown = status.underWay.prefix(PlanStatus.maximumUnderWay)
        varint(count: shown.count)
        for move in shown {
            partition(move.partition)
            nodes(move.from)
            nodes(move.to)
            varint(move.sent)
            varint(move.total)
            obstacle(move.obstacle)
        }
        varint(count: status.shares.count)
        for share in status.shares {
            string(share.id)
            varint(count: share.replicasBefore)
            varint(count: share.replicasAfter)
            varint(count: share.leadersBefore)
            varint(count: share.leadersAfter)
        }
    }
}

extension ByteReader {
    mutating func controlRequest() throws(WireError) -> ControlRequest {
        switch try code(ControlRequestType.self, "request to the coordinator") {
        case .change: return .change(try change(), isDryRun: try boolean("dry run"))
        case .split:
            // Any number is read: the coordinator checks it and answers the operator.
            return .split(
                partitions: try varint(in: 0...Int.max, "number of partitions"), isDryRun: try boolean("dry run"))
        case .pause: return .pause
        case .resume: return .resume
        case .cancel: return .cancel
        case .status: return .status
        }
    }

    private mutating func change() throws(WireError) -> MembershipChange {
        let count = try count(of: "list of joins", size: 4)
        var joins: [MembershipChange.Join] = []
        joins.reserveCapacity(count)
        for _ in 0..<count {
            // Any weight is read: the coordinator checks it and answers the operator.
            joins.append(
                MembershipChange.Join(
                    id: try name("node id"),
                    weight: try boolean("presence of a weight") ? try varint(in: 0...Int.max, "weight") : nil,
                    zone: try optionalName("zone"), replaces: try optionalName("node id")))
        }
        return MembershipChange(joins: joins, leaves: try names("list of leaves"), isForced: try boolean("force"))
    }

    mutating func controlReply() throws(WireError) -> ControlReply {
        switch try code(ControlReplyType.self, "reply of the coordinator") {
        case .plan: return .plan(try boolean("presence of a plan") ? try plan() : nil)
        case .refused:
            return .refused(try code(ControlRefusal.self, "refusal"), try string("sentence", limit: maximumSentence))
        case .unknown: return .unknown
        case .notCoordinator: return .notCoordinator(hint: try optionalNode())
        }
    }

    private mutating func plan() throws(WireError) -> PlanStatus {
        let id = try varint()
        let reason = try code(ChangePlan.Reason.self, "reason of a plan")
        let (now, splitTo) = reason == .split ? (try partitions(), try partitions()) : (0, 0)
        let waitsFor = reason == .split ? try optionalName("node id") : nil
        return PlanStatus(
            id: id, reason: reason,
            joining: try names("list of nodes"), leaving: try names("list of nodes"),
            isPaused: try boolean("pause"), isCancelling: try boolean("cancellation"),
            moves: try varint(in: 0...Int.max, "count of moves"),
            movesDone: try varint(in: 0...Int.max, "count of moves"),
            partitionsLeft: try partitions(),
            minimum: try varint(in: 0...Int.max, "count of moves"), bytes: try varint(), bytesDone: try varint(),
            rate: try varint(), underWay: try movesUnderWay(), partitions: now, splitTo: splitTo,
            waitsFor: waitsFor, shares: try shares())
    }

    private mutating func shares() throws(WireError) -> [ShareChange] {
        let count = try count(of: "list of shares", size: 5)
        var shares: [ShareChange] = []
        shares.reserveCapacity(count)
        for _ in 0..<count {
            shares.append(
                ShareChange(
                    id: try name("node id"), replicasBefore: try partitions(), replicasAfter: try partitions(),
                    leadersBefore: try partitions(), leadersAfter: try partitions()))
        }
        return shares
    }

    private mutating func partitions() throws(WireError) -> Int { try varint(in: 0...Int.max, "count of partitions") }

    private mutating func movesUnderWay() throws(WireError) -> [MoveStatus] {
        let count = try count(of: "list of moves", size: 6, limit: PlanStatus.maximumUnderWay)
        var moves: [MoveStatus] = []
        moves.reserveCapacity(count)
        for _ in 0..<count {
            moves.append(
                MoveStatus(
                    partition: try partition(), from: try nodes("replica set"), to: try nodes("next replica set"),
                    sent: try varint(), total: try varint(), obstacle: try obstacle()))
        }
        return moves
    }
}
