/// What nodes have reported of the partitions they lead: how large they are, and how their moves stand.
struct RebalanceProgress {
    /// By partition.
    private var sizes: [UInt64]
    private var reports: [PartitionID: MoveReport] = [:]
    private var sentSinceSample: UInt64 = 0
    private var sampledAt: Instant?
    /// Bytes a second that joining nodes are sent, smoothed exponentially.
    private var smoothed: Double = 0

    private static let sampleSpan = Nanoseconds.milliseconds(1000)
    private static let weightOfNewest = 0.3

    init(partitions: Int) { sizes = Array(repeating: 0, count: partitions) }

    /// By partition.
    var moves: [MoveReport] { reports.values.sorted { $0.partition < $1.partition } }

    func size(of partition: PartitionID) -> UInt64 {
        Int(partition.raw) < sizes.count ? sizes[Int(partition.raw)] : 0
    }

    /// The newest report of the configuration that a partition has.
    func report(on partition: PartitionID, _ assignment: Assignment) -> MoveReport? {
        reports[partition].flatMap { $0.changed == assignment.changed ? $0 : nil }
    }

    mutating func note(_ report: NodeReport, in topology: Topology, now: Instant) {
        for partition in report.partitions where Int(partition.partition.raw) < sizes.count {
            sizes[Int(partition.partition.raw)] = partition.bytes
        }
        for move in report.moves {
            guard let assignment = topology.place(of: move.partition), move.changed >= assignment.changed,
                move.changed > assignment.changed || assignment.next != nil
            else { continue }
            note(move)
        }
        sample(now: now)
    }

    private mutating func note(_ move: MoveReport) {
        guard let known = reports[move.partition] else { return reports[move.partition] = move }
        // Late words of an earlier configuration, or of a leader that has been followed by one that was done.
        guard move.changed >= known.changed, move.changed > known.changed || !known.isReady else { return }
        if move.changed == known.changed, move.sent > known.sent { count(move.sent - known.sent) }
        reports[move.partition] = move
    }

    /// Forgets the moves that are over. What the newest report of them left open has been sent since, where they
    /// succeeded.
    mutating func turn(to topology: Topology) {
        for (partition, report) in reports {
            guard let assignment = topology.place(of: partition) else { continue }
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
    }

    /// Bytes a second lately.
    var rate: UInt64 { UInt64(min(smoothed, 1e18)) }

    /// Forgets the rate: another plan begins.
    mutating func resetRate() {
        smoothed = 0
        sentSinceSample = 0
    }
}

extension Topology {
    /// Where a partition lives, the metadata quorum's included.
    func place(of partition: PartitionID) -> Assignment? {
        partition == metadataPartition ? metadataQuorum : assignment(of: partition)
    }
}
