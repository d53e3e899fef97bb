import KVCore

/// What a `cluster.yaml` says, defaults filled in: the whole cluster's configuration, before it is settled which node
/// this process is.
public struct ClusterFile: Hashable, Sendable {
    public var settings: ClusterSettings
    /// The first members, ascending by id; at least one.
    public var nodes: [Node]
    /// The parent of the nodes' own directories. Relative paths are relative to where the process runs.
    public var dataDirectory: String
    public var storage: Storage
    public var failure: Failure
    public var limits: Limits
    public var redis: Redis
    public var log: Log
    /// Peer addresses of members, for nodes that `nodes` does not list.
    public var seeds: [Address]
    /// What the packets of the failure detector are authenticated with: `security.secret`.
    public var secret: String?
    /// Where values come from that are not defaults, by path: `storage.sync`, `nodes[n1].zone`.
    var origins: [String: ConfigurationProblem.Place]
    /// Whether the file leaves `nodes` out, so that the only node is the default one and may be given another id.
    public var nodesAreDefault: Bool

    /// What holds where there is no file: a cluster of one.
    public static let standard = ClusterFile(
        settings: ClusterSettings(name: "default", partitions: 1024, replicas: 3), nodes: [Node(id: "n1")],
        dataDirectory: "./kv-data", storage: Storage(), failure: Failure(), limits: Limits(), redis: Redis(),
        log: Log(),
        seeds: [], secret: nil, origins: [:], nodesAreDefault: true)

    public struct Node: Hashable, Sendable {
        /// 1-64 of `a-z 0-9 . - _`.
        public var id: String
        /// Where it listens for clients.
        public var client = Address(host: "127.0.0.1", port: 7400)
        /// Where it listens for other nodes.
        public var peer = Address(host: "127.0.0.1", port: 7500)
        /// Where clients reach it, when that differs.
        public var advertiseClient: Address?
        /// Where other nodes reach it, when that differs.
        public var advertisePeer: Address?
        /// Failure domain; empty where none is named.
        public var zone = ""
        /// Its share of the data relative to other nodes, 1-1000.
        public var weight = 1

        static let weights = 1...1000

        public init(id: String) { self.id = id }

        /// Where clients reach it.
        public var reachableClient: Address { advertiseClient ?? client }
        /// Where other nodes reach it.
        public var reachablePeer: Address { advertisePeer ?? peer }
    }

    public struct Storage: Hashable, Sendable {
        /// When accepted writes are put on disk; promises always are.
        public enum Sync: String, CaseIterable, Hashable, Sendable {
            /// Before they are acknowledged.
            case always
            /// Every `syncInterval`.
            case interval
            /// When the operating system pleases.
            case never
        }

        public var sync = Sync.always
        /// 1 ms to 1 minute; for `Sync.interval`.
        public var syncInterval = Span.milliseconds(100)
        /// Bytes of values kept in memory, 0 to 1 TiB.
        public var cache = 256 << 20
        /// Bytes of a segment of the log, 1 MiB to 1 GiB.
        public var segment = 256 << 20
        /// Bytes a second that are read again to find what the disk has spoiled, 0 to 1 TiB; 0: none.
        public var scrub = 4 << 20
        /// Event loops that share a node's partitions, each with a log of its own, 1 to `maximumShards`; 0: half the
        /// processors, at most 8. Fixed when a data directory is made.
        public var shards = 0

        public static let maximumShards = 64

        public init() {}
    }

    public struct Failure: Hashable, Sendable {
        /// How often peers are probed, 50 ms to 1 minute.
        public var probeInterval = Span.milliseconds(1000)
        /// How long a member must have been dead before it is removed without being asked for, 10 s to 30 days.
        public var evictAfter = Span.milliseconds(600_000)

        public init() {}
    }

    public struct Limits: Hashable, Sendable {
        /// What `key` and `value` may be set to at the most.
        public static let maximumKey = Key.maximumBytes
        public static let maximumValue = 64 << 20

        /// Bytes of a key, 1 B to 65,535 B.
        public var key = 4 << 10
        /// Bytes of a value, 1 B to 64 MiB.
        public var value = 1 << 20
        /// Client connections, 1 to 1,000,000.
        public var connections = 10_000
        /// Bytes of the requests under way on a node, 1 MiB to 64 GiB.
        public var inFlight = 64 << 20
        /// Bytes of replies, and of requests that wait for their clients to read, of all clients of a node, 1 MiB to
        /// 1 TiB.
        public var replies = 256 << 20
        /// Bytes a second that a node sends to move partitions, up to 1 TiB; 0: as fast as it goes.
        public var moveRate = 0

        public init() {}
    }

    public struct Redis: Hashable, Sendable {
        /// Which keys commands on all keys are about.
        public enum Keyspace: String, CaseIterable, Hashable, Sendable { case auto, cluster, node }

        /// Whether commands on keys that another node leads are answered with where to ask, rather than passed on.
        public var moved = false
        /// Whether the map of slots names the replicas of each range beside its leader.
        public var replicas = false
        public var keyspace = Keyspace.auto
        /// How long a command may wait for its leader and its answer, 50 ms to 1 minute.
        public var timeout = Span.milliseconds(1000)

        public init() {}
    }

    public struct Log: Hashable, Sendable {
        /// swift-log's levels.
        public enum Level: String, CaseIterable, Hashable, Sendable {
            case trace, debug, info, notice, warning, error, critical
        }

        public enum Format: String, CaseIterable, Hashable, Sendable { case text, json }

        public var level = Level.info
        public var format = Format.text

        public init() {}
    }
}

/// Names of nodes, zones and clusters.
enum Name {
    static let maximumLength = 64
    static let wantedID = "1-64 characters of a-z 0-9 . - _"
    static let wantedLabel = "1-64 characters of A-Z a-z 0-9 . - _"

    /// What a node id may be. It names a directory, so `.` and `..` are out.
    static func isID(_ text: String) -> Bool {
        isLabel(text) && !text.utf8.contains { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 } && text != "."
            && text != ".."
    }

    /// What a cluster's name and a zone may be.
    static func isLabel(_ text: String) -> Bool {
        (1...maximumLength).contains(text.utf8.count)
            && text.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: ".") }
    }
}
