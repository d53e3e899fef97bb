/// What happens to a node's cluster machine.
public enum ClusterInput: Sendable {
    /// From a member, or from an applicant, whose number is 0.
    case message(from: NodeNumber, ClusterMessage)
    /// A member goes by a topology of this epoch.
    case epochSeen(Epoch, at: NodeNumber)
    /// The failure detector's opinion changed.
    case liveness(NodeNumber, Liveness)
    /// The data directory that a member runs with, as its handshake told.
    case storeSeen(NodeNumber, UUID128)
    /// Whether this node leads the council's partition and knows its copy to be the truth.
    case leading(Bool)
    /// How the partitions that this node leads are doing; to be given every `ClusterOptions.reportInterval` or so.
    case report(NodeReport)
    /// How a `request` ended.
    case outcome(UInt64, Outcome)
    /// A `persist` is done: this epoch is on disk.
    case persisted(Epoch)
    /// An operator asks through this node; exactly one `answer` will follow.
    case control(RequestID, ControlRequest, deadline: Instant)
    /// Time has passed: to be given every `ClusterOptions.timer` or so.
    case timer
}

/// What a cluster machine asks of the code around it.
public enum ClusterEffect: Sendable {
    case send(NodeNumber, ClusterMessage)
    /// Execute a command on the topology's register, here: this node leads it. Then give `outcome`.
    case request(UInt64, Command)
    /// Put a topology on disk, then give `persisted`. At most one is under way.
    case persist(Topology)
    /// Go by this topology from now on. It is on disk.
    case adopt(Topology)
    case answer(RequestID, ControlReply)
    /// For logs.
    case notice(ClusterNotice)
}

public enum ClusterNotice: Hashable, Sendable {
    case planBegan(PlanStatus)
    case planEnded(id: Epoch, isCancelled: Bool)
    /// A dead member is being planned out.
    case evicting(NodeNumber)
    /// A dead member would be evicted, but.
    case evictionWaits(NodeNumber, String)
    /// An applicant was heard of for the first time.
    case applied(Applicant)
    /// A member runs with another data directory than the one it is known by.
    case foreignStore(NodeNumber, UUID128)
}

/// Times and limits of a cluster machine, all named here.
public struct ClusterOptions: Sendable {
    /// How often `timer` is to be given.
    public var timer = Span.milliseconds(100)
    /// How often a node reports to the council.
    public var reportInterval = Span.milliseconds(250)
    /// How long a member must have been dead before it is evicted: `failure.evict_after`.
    public var evictAfter = Span.milliseconds(600_000)
    /// An applicant not heard of for so long is forgotten.
    public var applicantTimeout = Span.milliseconds(5000)
    /// A request to a peer without an answer is sent again after this.
    public var retry = Span.milliseconds(1000)
    /// Partitions that move at a time.
    public var maximumMoves = 64
    /// Applicants remembered at a time.
    public var maximumApplicants = 64
    /// Operators' requests that wait here for their answers.
    public var maximumControls = 256
    /// Members that were removed are remembered so many at a time; the oldest are forgotten first.
    public var maximumRemoved = 4096

    public init() {}
}
