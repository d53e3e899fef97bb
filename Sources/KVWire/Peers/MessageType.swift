/// The first byte of a message. The numbers are frozen: docs/wire-format.md.
enum MessageType: UInt8, CaseIterable {
    case prepare = 1
    case promise = 2
    case reject = 3
    case accept = 4
    case accepted = 5
    case confirm = 6
    case confirmed = 7
    case read = 8
    case readResult = 9
    case leaves = 10
    case leavesResult = 11
    case entries = 12
    case entriesResult = 13
    case leaderHeartbeat = 14
    case transfer = 15
    case forward = 16
    case forwarded = 17
    case quorumRead = 18
    case quorumReadReply = 19
    case outdated = 20
    case usageReport = 21
    case preVote = 22
    case preVoteResult = 23
    case purge = 24
    case dropReplica = 25
    case replicaDropped = 26
    case cluster = 27
    case relay = 28
    case progress = 29
    case abstain = 30
    case consult = 31
    case complete = 32
    case completed = 33
    case clock = 34
    case leaderships = 35
    case leadershipsWanted = 36
    case doubt = 37
    case prepareAfter = 38
    case supportWanted = 39
    case support = 40
}

/// The bytes that tell the cases of nested values apart. They are frozen, too.
enum CommandType: UInt8 {
    case get = 1
    case put = 2
    case delete = 3
    case list = 4
    case update = 5
    case count = 6
}

enum ChangeType: UInt8 {
    case set = 1
    case remove = 2
    case keep = 3
    case append = 4
    case overwrite = 5
    case add = 6
    case addNumber = 7
}

enum RequirementType: UInt8 {
    case always = 0
    case absent = 1
    case present = 2
    case equals = 3
    case lasting = 4
    case expiring = 5
    case laterExpiry = 6
    case earlierExpiry = 7
    case expiringAndEarlier = 8
}

enum LifetimeType: UInt8 {
    case unlimited = 0
    case milliseconds = 1
    case until = 2
}

enum ConditionType: UInt8 {
    case always = 0
    case ifVersion = 1
    case ifAbsent = 2
    case ifPresent = 3
}

enum ForwardResultType: UInt8 {
    case outcome = 1
    case notLeader = 2
}

enum OutcomeType: UInt8 {
    case found = 1
    case absent = 2
    case written = 3
    case conditionFailed = 4
    case listed = 5
    case refused = 6
    case unknown = 7
    case updated = 8
    case counted = 9
}

enum UpdateResultType: UInt8 {
    case applied = 1
    case notApplied = 2
    case misfit = 3
}

enum UpdateValueType: UInt8 {
    case none = 0
    case bytes = 1
    case integer = 2
}

enum ClusterMessageType: UInt8, CaseIterable {
    case topologyWanted = 1
    case topology = 2
    case report = 3
    case announce = 4
    case control = 5
    case controlReply = 6
    case topologyChanges = 7
    case prepared = 8
}

enum MoveObstacleType: UInt8 {
    case unreachable = 1
    case silent = 2
    case settling = 3
    case paused = 4
}

enum ControlRequestType: UInt8 {
    case change = 1
    case pause = 2
    case resume = 3
    case cancel = 4
    case status = 5
    case split = 6
}

enum ControlReplyType: UInt8 {
    case plan = 1
    case refused = 2
    case unknown = 3
    case notCoordinator = 4
}

extension ByteWriter {
    mutating func code<T: RawRepresentable<UInt8>>(_ type: T) { byte(type.rawValue) }
}

extension ByteReader {
    mutating func code<T: RawRepresentable<UInt8>>(_: T.Type, _ field: String) throws(WireError) -> T {
        guard let type = T(rawValue: try byte()) else { throw .invalid(field) }
        return type
    }
}
