/// The reports of nodes on the partitions they lead: how large these are, and how their moves stand.
struct RebalanceProgress {
    /// Bytes, by the number of the partition; nil where no report has been heard.
    private var sizes: [UInt64?]
    private var reports: [PartitionID: MoveReport] = [:]
    /// Up to how many partitions each member has prepared splits, as it has said.
    private(set) var prepared: [NodeNumber: Int] = [:]
    /// For how many samples no partition has been split.
    private(set) var standing = 0
    private var partitions: Int
    private var sentSinceSample: UInt64 = 0
    private var sampledAt: Instant?
    /// Bytes a second that joining nodes are sent, smoothed exponentially.
    private var smoothed: Double = 0

    private static let sampleSpan = Nanoseconds.milliseconds(1000)
    private static let weightOfNewest = 0.3

    init(_ slots: SlotMap) {
        sizes = Array(repeating: nil, count: slots.limit)
        partitions = slots.count
    }

    /// How the moves under way stand, sorted by partition.
    var moves: [MoveReport] { reports.values.sorted { $0.partition < $1.partition } }

    func size(of partition: PartitionID) -> UInt64 { knownSize(of: partition) ?? 0 }

    /// The bytes of a partition; nil where no report on it has been heard.
    func knownSize(of partition: PartitionID) -> UInt64? {
        Int(partition.raw) < sizes.count ? sizes[Int(partition.raw)] : nil
    }

    /// The bytes that a move of a partition to these replicas is to copy; nil where no report has been heard.
    func bytes(toMove partition: PartitionID, from present: [NodeNumber], to replicas: [NodeNumber]) -> UInt64? {
        let joiningNodes = replicas.count { !present.contains($0) }
        return joiningNodes == 0 ? 0 : knownSize(of: partition).map { saturatingProduct($0, UInt64(joiningNodes)) }
    }

    /// The newest report on a partition under its present configuration.
    func report(on partition: PartitionID, _ assignment: Assignment) -> MoveReport? {
        reports[partition].flatMap { $0.changed == assignment.changed ? $0 : nil }
    }

    mutating func note(_ report: NodeReport, in topology: Topology, now: Instant) {
        for partition in report.partitions where Int(partition.partition.raw) < sizes.count {
            sizes[Int(partition.partition.raw)] = partition.bytes
        }
        for move in report.moves {
            // Late: the move is over. Or there is no such partition.
            guard let assignment = topology.assignment(of: move.partition), move.changed >= assignment.changed,
                move.changed > assignment.changed || assignment.next != nil
            else { continue }
            note(move)
        }
        sample(now: now)
    }

    private mutating func note(_ move: MoveReport) {
        guard let known = reports[move.partition] else { return reports[move.partition] = move }
        // Late: it is of an earlier configuration, or another leader has reported since that all is done.
        guard move.changed >= known.changed, move.changed > known.changed || !known.isReady else { return }
        if move.changed == known.changed, move.sent > known.sent { count(move.sent - known.sent) }
        reports[move.partition] = move
    }

    /// - Parameter partitions: Up to how many partitions the member could go by splits at once.
    mutating func note(prepared partitions: Int, by node: NodeNumber) { prepared[node] = partitions }

    /// Forgets the moves that are over. Where they succeeded, the bytes that their newest report left open have been
    /// sent since.
    mutating func turn(to topology: Topology) {
        while sizes.count < topology.slots.limit { sizes.append(nil) }
        if topology.plan?.reason != .split { prepared = [:] }
        if topology.plan?.reason != .split || topology.assignments.count > partitions { standing = 0 }
        partitions = topology.assignments.count
        prepared = prepared.filter { topology.member($0.key) != nil }
        for (partition, report) in reports {
            guard let assignment = topology.assignment(of: partition) else {
                assertionFailure("no partition of a cluster ever goes")
                continue
            }
            if report.changed > assignment.changed { continue }
            if report.changed == assignment.changed, assignment.next != nil { continue }
            if report.isReady, report.total > report.sent { count(report.total - report.sent) }
            reports[partition] = nil
        }
    }

    private mutating func count(_ bytes: UInt64) {
        let (sum, overflow) = sentSinceSample.addingReportingOverflow(bytes)
        sentSinceSample = overflow ? .max : sum
    }

    mutating func sample(now: Instant) {
        guard let last = sampledAt else { return sampledAt = now }
        let span = now - last
        guard span >= Self.sampleSpan else { return }
        let rate = Double(sentSinceSample) * 1e9 / Double(span.nanoseconds)
        smoothed += (rate - smoothed) * (smoothed == 0 ? 1 : Self.weightOfNewest)
        sentSinceSample = 0
        sampledAt = now
        standing += 1
    }

    /// The present rate, in bytes a second.
    var rate: UInt64 { UInt64(min(smoothed, 1e18)) }

    /// Forgets the rate, and for how long nothing has been split: another plan begins.
    mutating func resetRate() {
        smoothed = 0
        standing = 0
        sentSinceSample = 0
    }
}
