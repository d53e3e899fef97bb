import KVModel

/// A change of membership and how far it is: `GET /v1/plan`.
public struct PlanProgress: Codable, Hashable, Sendable {
    /// The topology's epoch in which it began; nothing else has the same.
    public var id: UInt64
    /// `operator`, or `eviction` of a member that was dead for long.
    public var reason: String
    /// Node ids.
    public var joining: [String]
    /// Node ids.
    public var leaving: [String]
    public var isPaused: Bool
    /// It undoes what it had done.
    public var isCancelling: Bool
    /// Replicas to copy in all, and those done.
    public var moves: Int
    public var movesDone: Int
    /// Partitions not yet where they are to be.
    public var partitionsLeft: Int
    /// Fewest copies that any balanced placement of the same members would take.
    public var minimum: Int
    /// Bytes to copy in all, as estimated, and those done.
    public var bytes: UInt64
    public var bytesDone: UInt64
    /// Bytes a second lately.
    public var rate: UInt64
    /// Until it is done at that rate, in whole seconds; nil where nothing moves.
    public var timeLeft: Duration? {
        get { secondsLeft.map(Duration.init(wholeSeconds:)) }
        set { secondsLeft = newValue.map { Nanoseconds($0).milliseconds / 1000 } }
    }
    private var secondsLeft: UInt64?
    /// Some of the partitions that move now, those with obstacles first.
    public var underWay: [Move]
    /// What becomes of each node's share from now on; those that come and go included.
    public var shares: [Share]

    public struct Move: Codable, Hashable, Sendable {
        public var partition: Int
        /// Node ids.
        public var from: [String]
        /// Node ids.
        public var to: [String]
        /// Bytes sent so far, and what there is to send.
        public var sent: UInt64
        public var total: UInt64
        public var obstacle: Obstacle?

        /// As the server writes it: no obstacle is null, not left out.
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

    /// What holds a move up.
    public struct Obstacle: Codable, Hashable, Sendable {
        /// `unreachable`, `silent`, `settling` or `paused`.
        public var code: String
        /// The node that it is about, if it is about one.
        public var node: String?
        /// What is the matter, and what to look at.
        public var message: String
    }

    /// How many partitions a node holds a replica of, and is the preferred leader of: now, and when
    /// the plan is done. Of a plan that begins, now is before it.
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
        case id, reason, joining, leaving, moves, minimum, bytes, rate, shares
        case isPaused = "paused"
        case isCancelling = "cancelling"
        case movesDone = "moves_done"
        case partitionsLeft = "partitions_left"
        case bytesDone = "bytes_done"
        case secondsLeft = "eta_seconds"
        case underWay = "under_way"
    }

    /// As the server writes it: what is unknown is null, not left out.
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
        try fields.encode(underWay, forKey: .underWay)
        try fields.encode(shares, forKey: .shares)
    }
}

/// The body of every answer about the plan.
public struct PlanAnswer: Codable, Hashable, Sendable {
    /// Nil: there is none.
    public var plan: PlanProgress?

    public init(plan: PlanProgress?) { self.plan = plan }

    /// As the server writes it: no plan is null, not left out.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(plan, forKey: .plan)
    }
}
