import KVCore

extension JSONWriter {
    /// The member `plan`: null where there is none.
    mutating func plan(_ plan: PlanStatus?, _ names: NodeNames) {
        name("plan")
        guard let plan else { return null() }
        object { json in
            json.name("id")
            json.number(plan.id)
            json.name("reason")
            json.reason(plan.reason)
            json.strings("joining", plan.joining)
            json.strings("leaving", plan.leaving)
            json.flag("paused", plan.isPaused)
            json.flag("cancelling", plan.isCancelling)
            json.progress(plan)
            if plan.reason == .split {
                json.name("partitions")
                json.number(plan.partitions)
                json.name("split_to")
                json.number(plan.splitTo)
                json.name("waits_for")
                if let waitsFor = plan.waitsFor { json.string(waitsFor) } else { json.null() }
            }
            json.name("under_way")
            json.array { json in for move in plan.underWay { json.move(move, names) } }
            json.name("shares")
            json.array { json in for share in plan.shares { json.share(share) } }
        }
    }

    mutating func reason(_ reason: ChangePlan.Reason) {
        switch reason {
        case .operatorAsked: string("operator")
        case .eviction: string("eviction")
        case .split: string("split")
        }
    }

    private mutating func progress(_ plan: PlanStatus) {
        let figures: [(StaticString, UInt64)] = [
            ("moves", UInt64(clamping: plan.moves)), ("moves_done", UInt64(clamping: plan.movesDone)),
            ("partitions_left", UInt64(clamping: plan.partitionsLeft)), ("minimum", UInt64(clamping: plan.minimum)),
            ("bytes", plan.bytes), ("bytes_done", plan.bytesDone), ("rate", plan.rate),
        ]
        for (name, figure) in figures {
            self.name(name)
            number(figure)
        }
        name("eta_seconds")
        if let seconds = plan.secondsLeft { number(seconds) } else { null() }
    }

    private mutating func move(_ move: MoveStatus, _ names: NodeNames) {
        object { json in
            json.name("partition")
            json.number(move.partition.raw)
            json.strings("from", move.from.map { names[$0] })
            json.strings("to", move.to.map { names[$0] })
            json.name("sent")
            json.number(move.sent)
            json.name("total")
            json.number(move.total)
            json.name("obstacle")
            if let obstacle = move.obstacle { json.obstacle(obstacle, names) } else { json.null() }
        }
    }

    private mutating func obstacle(_ obstacle: MoveObstacle, _ names: NodeNames) {
        object { json in
            json.name("code")
            switch obstacle {
            case .unreachable(let node):
                json.string("unreachable")
                json.name("node")
                json.string(names[node])
                json.name("message")
                json.string("\(names[node]) is not in touch: is it up, and can the others reach its peer address?")
            case .silent(let node):
                json.string("silent")
                json.name("node")
                json.string(names[node])
                json.name("message")
                json.string("\(names[node]) does not take what it is sent: is its disk full? its log says more")
            case .settling:
                json.string("settling")
                json.name("message")
                json.string("its leader is making sure that its copy is the latest, with a majority of the replicas")
            case .paused:
                json.string("paused")
                json.name("message")
                json.string("the plan is paused: resume it, or cancel it")
            }
        }
    }

    private mutating func share(_ share: ShareChange) {
        object { json in
            json.name("id")
            json.string(share.id)
            json.name("replicas_before")
            json.number(share.replicasBefore)
            json.name("replicas_after")
            json.number(share.replicasAfter)
            json.name("leaders_before")
            json.number(share.leadersBefore)
            json.name("leaders_after")
            json.number(share.leadersAfter)
        }
    }

    mutating func strings(_ name: StaticString, _ texts: [String]) {
        self.name(name)
        array { json in for text in texts { json.string(text) } }
    }

    mutating func flag(_ name: StaticString, _ value: Bool) {
        self.name(name)
        bool(value)
    }
}

extension PlanStatus {
    /// The time until it is done at the present rate; nil if nothing moves.
    fileprivate var secondsLeft: UInt64? {
        guard rate > 0, !isPaused, bytes > bytesDone else { return nil }
        let left = bytes - bytesDone
        return left / rate + (left % rate == 0 ? 0 : 1)
    }
}

/// Members' ids by their numbers.
struct NodeNames {
    private let names: [NodeNumber: String]

    init(_ topology: Topology?) {
        names = Dictionary(
            topology?.members.map { ($0.number, $0.id) } ?? [], uniquingKeysWith: { first, _ in first })
    }

    subscript(number: NodeNumber) -> String { names[number] ?? number.description }
}
