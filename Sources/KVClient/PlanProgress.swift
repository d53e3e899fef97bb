import KVModel

/// A change of membership, or a split of partitions, and its progress: `GET /v1/plan`.
///
/// In the node this is `PlanStatus`, which names nodes by their numbers. The library does not depend on the node's
/// code, so the JSON between them is the only thing that they share.
public struct PlanProgress: Codable, Hashable, Sendable {
    /// The epoch of the topology in which the plan began. It identifies the plan.
    public var id: UInt64
    /// `operator`, `eviction` if a member was dead for too long, or `split` if partitions are split.
    public var reason: String
    /// Node ids.
    public var joining: [String]
    /// Node ids.
    public var leaving: [String]
    public var isPaused: Bool
    /// The plan was cancelled, and the moves that it has made are being undone. (Splits are not.)
    public var isCancelling: Bool
    /// The replicas to copy in all, and those that were copied.
    public var moves: Int
    public var movesDone: Int
    /// The partitions that have not reached their new replica sets.
    public var partitionsLeft: Int
    /// The fewest copies that any balanced placement of the same members takes.
    public var minimum: Int
    /// The bytes to copy in all, as estimated, and those that were copied.
    public var bytes: UInt64
    public var bytesDone: UInt64
    /// The present rate, in bytes per second.
    public var rate: UInt64
    /// The time until the plan is done at this rate, in whole seconds; nil if nothing moves.
    public var timeLeft: Duration? {
        get { secondsLeft.map(Duration.init(wholeSeconds:)) }
        set { secondsLeft = newValue.map { Nanoseconds($0).milliseconds / 1000 } }
    }
    private var secondsLeft: UInt64?
    /// The number of partitions now, and when the plan is done; nil unless the reason is `split`.
    public var partitions: Int?
    public var splitTo: Int?
    /// The id of the node that splits have been waiting for, because it has not prepared them; nil if they go on.
    public var waitsFor: String?
    /// Some of the partitions that move now. Those with obstacles come first.
    public var underWay: [Move]
    /// The share of each node now and when the plan is done, joining and leaving nodes included.
    public var shares: [Share]

    public struct Move: Codable, Hashable, Sendable {
        public var partition: Int
        /// Node ids.
        public var from: [String]
        /// Node ids.
        public var to: [String]
        /// The bytes that were sent, and the bytes to send in all.
        public var sent: UInt64
        public var total: UInt64
        public var obstacle: Obstacle?

        /// Encodes as the server does: an absent obstacle is null and not left out.
        public func encode(to encoder: any Encoder) throws {
            var fields = encoder.container(keyedBy: CodingKeys.self)
            try fields.encode(partition, forKey: .partition)
            try fields.encode(from, forKey: .from)
            try fields.encode(to, forKey: .to)
            try fields.encode(sent, forKey: .sent)
            try fields.encode(total, forKey: .total)
            try fields.encode(obstacle, forKey: .obstacle)
        }
    }

    /// The reason why a move makes no progress.
    public struct Obstacle: Codable, Hashable, Sendable {
        /// `unreachable`, `silent`, `settling` or `paused`.
        public var code: String
        /// The id of the node that the obstacle is about; nil if it is about none.
        public var node: String?
        /// Says what is wrong, and what to look at.
        public var message: String
    }

    /// The number of partitions of which a node holds a replica, and of which it is the preferred leader: before, which
    /// is now, and after, when the plan is done.
    public struct Share: Codable, Hashable, Sendable {
        public var id: String
        public var replicasBefore: Int
        public var replicasAfter: Int
        public var leadersBefore: Int
        public var leadersAfter: Int

        enum CodingKeys: String, CodingKey {
            case id
            case replicasBefore = "replicas_before"
            case replicasAfter = "replicas_after"
            case leadersBefore = "leaders_before"
            case leadersAfter = "leaders_after"
        }
    }

    enum CodingKeys: String, CodingKey {
        case id, reason, joining, leaving, moves, minimum, bytes, rate, partitions, shares
        case splitTo = "split_to"
        case waitsFor = "waits_for"
        case isPaused = "paused"
        case isCancelling = "cancelling"
        case movesDone = "moves_done"
        case partitionsLeft = "partitions_left"
        case bytesDone = "bytes_done"
        case secondsLeft = "eta_seconds"
        case underWay = "under_way"
    }

    /// Encodes as the server does: an unknown value is null and not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(id, forKey: .id)
        try fields.encode(reason, forKey: .reason)
        try fields.encode(joining, forKey: .joining)
        try fields.encode(leaving, forKey: .leaving)
        try fields.encode(isPaused, forKey: .isPaused)
        try fields.encode(isCancelling, forKey: .isCancelling)
        try fields.encode(moves, forKey: .moves)
        try fields.encode(movesDone, forKey: .movesDone)
        try fields.encode(partitionsLeft, forKey: .partitionsLeft)
        try fields.encode(minimum, forKey: .minimum)
        try fields.encode(bytes, forKey: .bytes)
        try fields.encode(bytesDone, forKey: .bytesDone)
        try fields.encode(rate, forKey: .rate)
        try fields.encode(secondsLeft, forKey: .secondsLeft)
        try fields.encodeIfPresent(partitions, forKey: .partitions)
        try fields.encodeIfPresent(splitTo, forKey: .splitTo)
        if splitTo != nil { try fields.encode(waitsFor, forKey: .waitsFor) }
        try fields.encode(underWay, forKey: .underWay)
        try fields.encode(shares, forKey: .shares)
    }
}

/// The body of every answer about the plan.
public struct PlanAnswer: Codable, Hashable, Sendable {
    /// Nil if there is none.
    public var plan: PlanProgress?

    public init(plan: PlanProgress?) { self.plan = plan }

    /// Encodes as the server does: an absent plan is null and not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(plan, forKey: .plan)
    }
}
