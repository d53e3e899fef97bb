import KVCore

/// The contents of a `cluster.yaml` with defaults filled in: the whole cluster's configuration, before this process
/// knows which node it is.
package struct ClusterFile: Hashable, Sendable {
    package var settings: ClusterSettings
    /// How leaders answer linearizable reads.
    package var reads = ReadMode.lease
    /// The first members, ascending by id; at least one.
    package var nodes: [Node]
    /// The parent of the nodes' own directories. Relative paths are relative to the working directory.
    package var dataDirectory: String
    package var storage: Storage
    package var failure: Failure
    package var limits: Limits
    package var redis: Redis
    package var log: Log
    /// Peer addresses of members, for nodes that `nodes` does not list.
    package var seeds: [Address]
    /// The secret that authenticates the failure detector's packets: `security.secret`.
    package var secret: String?
    /// The places of values that are not defaults, by path: `storage.sync`, `nodes[n1].zone`.
    var origins: [String: ConfigurationProblem.Place]
    /// True when the file leaves `nodes` out: the only node is the default one and may be given another id.
    package var nodesAreDefault: Bool

    /// The configuration without a file: a cluster of one.
    package static let standard = ClusterFile(
        settings: ClusterSettings(name: "default", partitions: 1024, replicas: 3), nodes: [Node(id: "n1")],
        dataDirectory: "./kv-data", storage: Storage(), failure: Failure(), limits: Limits(), redis: Redis(),
        log: Log(),
        seeds: [], secret: nil, origins: [:], nodesAreDefault: true)

    package struct Node: Hashable, Sendable {
        /// 1-64 characters of `a-z 0-9 . - _`.
        package var id: String
        /// The address on which it listens for clients.
        package var client = Address(host: "127.0.0.1", port: 7400)
        /// The address on which it listens for other nodes.
        package var peer = Address(host: "127.0.0.1", port: 7500)
        /// The address at which clients reach it, if that differs.
        package var advertiseClient: Address?
        /// The address at which other nodes reach it, if that differs.
        package var advertisePeer: Address?
        /// The failure domain; empty for none.
        package var zone = ""
        /// Its share of the data relative to other nodes, 1-1000.
        package var weight = 1

        static let weights = 1...1000

        package init(id: String) { self.id = id }

        /// The address at which clients reach it.
        package var reachableClient: Address { advertiseClient ?? client }
        /// The address at which other nodes reach it.
        package var reachablePeer: Address { advertisePeer ?? peer }
    }

    package struct Storage: Hashable, Sendable {
        /// The time at which accepted writes are synced to disk. Promises are synced in every mode.
        package enum Sync: String, CaseIterable, Hashable, Sendable {
            /// Before they are acknowledged.
            case always
            /// Every `syncInterval`.
            case interval
            /// Whenever the operating system does it.
            case never
        }

        package var sync = Sync.always
        /// The interval of `Sync.interval`, 1 ms to 1 minute.
        package var syncInterval = Nanoseconds.milliseconds(100)
        /// The most bytes of values kept in memory, 0 to 1 TiB.
        package var cache = 256 << 20
        /// The size of a segment of the log, 1 MiB to 1 GiB.
        package var segment = 256 << 20
        /// Bytes per second that are read again to find damage on disk, 0 to 1 TiB; 0: none.
        package var scrub = 4 << 20
        /// The number of event loops that share a node's partitions, each with its own log, 1 to `maximumShards`; 0:
        /// one for each processor, at most `maximumDefaultShards`. Fixed when a data directory is made.
        package var shards = 0

        package static let maximumShards = 64
        /// The most shards of a node whose operator has not chosen: each has threads, files, buffers and connections of
        /// its own, and a container may see far more processors than it has memory for.
        package static let maximumDefaultShards = 32

        package init() {}
    }

    package struct Failure: Hashable, Sendable {
        /// The interval at which peers are probed, 50 ms to 1 minute.
        package var probeInterval = Nanoseconds.milliseconds(1000)
        /// The time that a member must have been dead before it is evicted, 10 s to 30 days.
        package var evictAfter = Nanoseconds.milliseconds(600_000)

        package init() {}
    }

    package struct Limits: Hashable, Sendable {
        /// The highest values that `key` and `value` may be set to.
        package static let maximumKey = Key.maximumBytes
        package static let maximumValue = 64 << 20

        /// The longest key, 1 B to 65,535 B.
        package var key = 4 << 10
        /// The longest value, 1 B to 64 MiB.
        package var value = 1 << 20
        /// The most client connections, 1 to 1,000,000.
        package var connections = 10_000
        /// The most bytes of requests under way on a node, 1 MiB to 64 GiB.
        package var inFlight = 64 << 20
        /// The most bytes of replies, and of requests whose clients do not read yet, over all clients of a node, 1 MiB
        /// to 1 TiB.
        package var replies = 256 << 20
        /// The most bytes per second that a node sends to move partitions, up to 1 TiB; 0: no limit.
        package var moveRate = 0

        package init() {}
    }

    package struct Redis: Hashable, Sendable {
        /// The keys that commands on all keys cover.
        package enum Keyspace: String, CaseIterable, Hashable, Sendable { case auto, cluster, node }

        /// True: a command on keys that another node leads is answered with a redirect, rather than forwarded.
        package var moved = false
        /// True: the map of slots has the replicas of each range beside its leader.
        package var replicas = false
        package var keyspace = Keyspace.auto
        /// The time that a command may wait for its leader and its answer, 50 ms to 1 minute.
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

    /// True for a valid node id. It names a directory, so `.` and `..` are not valid.
    static func isID(_ text: String) -> Bool {
        isLabel(text) && !text.utf8.contains { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 } && text != "."
            && text != ".."
    }

    /// True for a valid name of a cluster or a zone.
    static func isLabel(_ text: String) -> Bool {
        (1...maximumLength).contains(text.utf8.count)
            && text.utf8.allSatisfy { isNameByte($0) || $0 == UInt8(ascii: ".") }
    }
}
