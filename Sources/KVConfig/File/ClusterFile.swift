import KVCore

/// What a `cluster.yaml` says, defaults filled in: the whole cluster's configuration, before it is settled which node
/// this process is.
package struct ClusterFile: Hashable, Sendable {
    package var settings: ClusterSettings
    /// The first members, ascending by id; at least one.
    package var nodes: [Node]
    /// The parent of the nodes' own directories. Relative paths are relative to where the process runs.
    package var dataDirectory: String
    package var storage: Storage
    package var failure: Failure
    package var limits: Limits
    package var redis: Redis
    package var log: Log
    /// Peer addresses of members, for nodes that `nodes` does not list.
    package var seeds: [Address]
    /// What the packets of the failure detector are authenticated with: `security.secret`.
    package var secret: String?
    /// Where values come from that are not defaults, by path: `storage.sync`, `nodes[n1].zone`.
    var origins: [String: ConfigurationProblem.Place]
    /// Whether the file leaves `nodes` out, so that the only node is the default one and may be given another id.
    package var nodesAreDefault: Bool

    /// What holds where there is no file: a cluster of one.
    package static let standard = ClusterFile(
        settings: ClusterSettings(name: "default", partitions: 1024, replicas: 3), nodes: [Node(id: "n1")],
        dataDirectory: "./kv-data", storage: Storage(), failure: Failure(), limits: Limits(), redis: Redis(),
        log: Log(),
        seeds: [], secret: nil, origins: [:], nodesAreDefault: true)

    package struct Node: Hashable, Sendable {
        /// 1-64 of `a-z 0-9 . - _`.
        package var id: String
        /// Where it listens for clients.
        package var client = Address(host: "127.0.0.1", port: 7400)
        /// Where it listens for other nodes.
        package var peer = Address(host: "127.0.0.1", port: 7500)
        /// Where clients reach it, when that differs.
        package var advertiseClient: Address?
        /// Where other nodes reach it, when that differs.
        package var advertisePeer: Address?
        /// Failure domain; empty where none is named.
        package var zone = ""
        /// Its share of the data relative to other nodes, 1-1000.
        package var weight = 1

        static let weights = 1...1000

        package init(id: String) { self.id = id }

        /// Where clients reach it.
        package var reachableClient: Address { advertiseClient ?? client }
        /// Where other nodes reach it.
        package var reachablePeer: Address { advertisePeer ?? peer }
    }

    package struct Storage: Hashable, Sendable {
        /// When accepted writes are put on disk; promises always are.
        package enum Sync: String, CaseIterable, Hashable, Sendable {
            /// Before they are acknowledged.
            case always
            /// Every `syncInterval`.
            case interval
            /// When the operating system pleases.
            case never
        }

        package var sync = Sync.always
        /// 1 ms to 1 minute; for `Sync.interval`.
        package var syncInterval = Nanoseconds.milliseconds(100)
        /// Bytes of values kept in memory, 0 to 1 TiB.
        package var cache = 256 << 20
        /// Bytes of a segment of the log, 1 MiB to 1 GiB.
        package var segment = 256 << 20
        /// Bytes a second that are read again to find what the disk has spoiled, 0 to 1 TiB; 0: none.
        package var scrub = 4 << 20
        /// Event loops that share a node's partitions, each with a log of its own, 1 to `maximumShards`; 0: half the
        /// processors, at most 8. Fixed when a data directory is made.
        package var shards = 0

        package static let maximumShards = 64

        package init() {}
    }

    package struct Failure: Hashable, Sendable {
        /// How often peers are probed, 50 ms to 1 minute.
        package var probeInterval = Nanoseconds.milliseconds(1000)
        /// How long a member must have been dead before it is removed without being asked for, 10 s to 30 days.
        package var evictAfter = Nanoseconds.milliseconds(600_000)

        package init() {}
    }

    package struct Limits: Hashable, Sendable {
        /// What `key` and `value` may be set to at the most.
        package static let maximumKey = Key.maximumBytes
        package static let maximumValue = 64 << 20

        /// Bytes of a key, 1 B to 65,535 B.
        package var key = 4 << 10
        /// Bytes of a value, 1 B to 64 MiB.
        package var value = 1 << 20
        /// Client connections, 1 to 1,000,000.
        package var connections = 10_000
        /// Bytes of the requests under way on a node, 1 MiB to 64 GiB.
        package var inFlight = 64 << 20
        /// Bytes of replies, and of requests that wait for their clients to read, of all clients of a node, 1 MiB to
        /// 1 TiB.
        package var replies = 256 << 20
        /// Bytes a second that a node sends to move partitions, up to 1 TiB; 0: as fast as it goes.
        package var moveRate = 0

        package init() {}
    }

    package struct Redis: Hashable, Sendable {
        /// Which keys commands on all keys are about.
        package enum Keyspace: String, CaseIterable, Hashable, Sendable { case auto, cluster, node }

        /// Whether commands on keys that another node leads are answered with where to ask, rather than passed on.
        package var moved = false
        /// Whether the map of slots names the replicas of each range beside its leader.
        package var replicas = false
        package var keyspace = Keyspace.auto
        /// How long a command may wait for its leader and its answer, 50 ms to 1 minute.
        package var timeout = Nanoseconds.milliseconds(1000)

        package init() {}
    }

    package struct Log: Hashable, Sendable {
        /// swift-log's levels.
        package enum Level: String, CaseIterable, Hashable, Sendable {
            case trace, debug, info, notice, warning, error, critical
        }

        package enum Format: String, CaseIterable, Hashable, Sendable { case text, json }

        package var level = Level.info
        package var format = Format.text

        package init() {}
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
