import KVCore

/// All settings of a node: the only place with their names, values, defaults, flags, variables and meanings.
package enum Settings {
    /// A mapping of the file, or its top level.
    package struct Section: Hashable, Sendable {
        /// Empty for the top level.
        package var name: String
        package var summary: String
    }

    /// The sections in the order in which a file is best written.
    package static let sections: [Section] = [
        Section(
            name: "cluster",
            summary: "What all nodes agree on, fixed when the cluster is created, except how they answer reads."),
        Section(
            name: "nodes",
            summary: """
                The first members, the same list in every node's file. It is read when the cluster is created; from \
                then on the cluster keeps its own list, which 'kv join' and 'kv leave' change. Without it, the node is \
                a cluster of one.
                """),
        Section(name: "", summary: "Where the node finds others, and where it keeps its data."),
        Section(name: "storage", summary: "How this node keeps its data."),
        Section(name: "failure", summary: "When a node counts as failed."),
        Section(name: "limits", summary: "What clients may ask for, and what moves may take."),
        Section(name: "security", summary: "Who may speak to this node."),
        Section(name: "redis", summary: "How clients of the Redis protocol are served."),
        Section(name: "log", summary: "What is written to standard error."),
    ]

    /// The settings of the file, in the order of `sections`, followed by those that only flags and variables set.
    package static let all: [Setting] =
        sections.flatMap { section in file(section.name) } + processOnly

    package static func setting(_ path: String) -> Setting? { all.first { $0.path == path } }

    /// The settings of a section of the file.
    package static func file(_ section: String) -> [Setting] {
        switch section {
        case "nodes": nodeFields.map(\.setting)
        default: (section.isEmpty ? [seeds] : []) + fields(of: section).map(\.setting)
        }
    }

    /// The settings of a section that has one value for the whole file: every section except `nodes`.
    static func fields(of section: String) -> [SettingField<ClusterFile>] {
        fileFields.filter { $0.setting.section == section }
    }

    /// The keys of each mapping of the file. The name of the top level is the empty string.
    static let vocabulary: [String: [String]] = {
        var vocabulary: [String: [String]] = ["": []]
        for section in sections {
            let names = file(section.name).map(\.name)
            vocabulary[section.name, default: []] += names
            if !section.name.isEmpty { vocabulary["", default: []].append(section.name) }
        }
        return vocabulary
    }()

    // MARK: Settings of the whole file

    static let fileFields: [SettingField<ClusterFile>] = cluster + [dataDirectory] + storage + failure + limits + others

    private static func field<Value: Sendable>(
        _ path: String, _ format: ValueFormat<Value>, _ keyPath: WritableKeyPath<ClusterFile, Value> & Sendable,
        isRequired: Bool = false, flag: String? = nil,
        given: @escaping @Sendable (Configuration.Flags) -> String? = { _ in nil }, variable: String? = nil,
        change: Setting.Change = .start, example: String? = nil, _ summary: String
    ) -> SettingField<ClusterFile> {
        let words = path.uppercased().map { $0 == "." ? "_" : $0 }
        return SettingField(
            path, format, keyPath, of: .standard, isRequired: isRequired, flag: flag, given: given,
            variable: variable ?? "KV_" + String(words), change: change, example: example, summary)
    }

    private static let cluster = [
        field(
            "cluster.name", .label(), \.settings.name, isRequired: true, change: .creation, example: "demo",
            "Names the cluster. A node of a cluster of another name is refused, so that two clusters never mix."),
        field(
            "cluster.partitions", .powerOfTwo(1...16_384), \.settings.partitions, change: .creation, example: "64",
            """
            How many partitions the keys are divided into when the cluster is created. Partitions are what moves \
            between nodes: have ten or more for each node that the cluster may grow to. A cluster that needs more \
            splits them (kv ring --split); this stays the number at creation, for new nodes too.
            """),
        field(
            "cluster.replicas", .integer(1...9), \.settings.replicas, change: .creation, example: "5",
            """
            On how many nodes each key is kept, where there are as many. Of 3 replicas one can fail, of 5 two: a \
            majority has to be up.
            """),
        field(
            "cluster.reads", .choice, \.reads, change: .reload, example: "confirm",
            """
            How reads that must see the latest write are answered. lease: from memory, while a majority has promised to \
            elect nobody else for the next 0.4 s. It needs clocks that run at rates within 10 % of each other, and \
            machines that are not put back to a snapshot while they run. confirm: after a majority was asked. A node \
            with confirm gives no such promise either. Change it on one node after another, while they run.
            """),
    ]

    private static let dataDirectory = field(
        "data_dir", .directory, \.dataDirectory, flag: "--data-dir", given: { $0.dataDirectory },
        example: "/srv/kv",
        """
        The parent of the node's own directory, which is named after its id. A relative path is relative to where the \
        process runs.
        """)

    private static let storage = [
        field(
            "storage.sync", .choice, \.storage.sync, example: "interval",
            """
            When accepted writes are put on disk. always: before they are acknowledged. interval: every sync_interval. \
            never: when the operating system does it by itself. The death of processes loses nothing in any mode, nor \
            does power loss of a minority of a key's replicas. Power loss of a majority at once can lose the writes of \
            about the last sync_interval with interval, of some 30 s with never, and nothing with always. \
            docs/operations.md has the table.
            """),
        field(
            "storage.sync_interval", .duration(.milliseconds(1) ... .milliseconds(60_000)), \.storage.syncInterval,
            example: "50ms", "How often the disk is synced where sync is interval."),
        field(
            "storage.cache", .size(0...1 << 40), \.storage.cache, example: "1GiB",
            "Memory for values that were read or written lately. Keys are always in memory, beside this."),
        field(
            "storage.segment", .size(1 << 20...1 << 30), \.storage.segment, example: "128MiB",
            """
            How large a file of the log grows at the most before the next is begun. It holds at least two records of \
            the largest size (limits.key plus limits.value). A shard that holds little begins files of a quarter of \
            what it holds, or of 16MiB if that is more.
            """),
        field(
            "storage.scrub", .size(0...1 << 40), \.storage.scrub, example: "16MiB",
            """
            Bytes a second of older files of the log that are read again, to find records that the disk has damaged while \
            other replicas still have them. 0: none.
            """),
        field(
            "storage.shards", .integer(0...ClusterFile.Storage.maximumShards), \.storage.shards, change: .directory,
            example: "2",
            """
            Event loops that share the node's partitions, each with a log of its own. 0: one for each processor that the \
            process may use, at most \(ClusterFile.Storage.maximumDefaultShards).
            """),
    ]

    private static let failure = [
        field(
            "failure.probe_interval", .duration(.milliseconds(50) ... .milliseconds(60_000)), \.failure.probeInterval,
            example: "500ms",
            "How often a node probes another. A dead node is noticed after a few of these."),
        field(
            "failure.evict_after", .duration(.milliseconds(10_000) ... .milliseconds(30 * 86_400_000)),
            \.failure.evictAfter, example: "1h",
            """
            How long a member has to be dead before the others remove it and copy what it held. It is longer than the \
            restart of a machine takes.
            """),
    ]

    private static let limits = [
        field(
            "limits.key", .size(1...ClusterFile.Limits.maximumKey), \.limits.key, example: "1KiB",
            "The longest key."),
        field(
            "limits.value", .size(1...ClusterFile.Limits.maximumValue), \.limits.value, example: "512KiB",
            "The longest value."),
        field(
            "limits.connections", .integer(1...1_000_000), \.limits.connections, example: "20000",
            "How many clients may be connected at a time. One more is turned away."),
        field(
            "limits.in_flight", .size(1 << 20...64 << 30), \.limits.inFlight, example: "128MiB",
            """
            Memory for the requests under way. What does not fit is refused (429, BUSY) and changes nothing. Two of the \
            largest requests always fit. At least limits.value.
            """),
        field(
            "limits.replies", .size(1 << 20...1 << 40), \.limits.replies, example: "1GiB",
            """
            Memory for replies that clients have not read yet, and for requests that wait because of them. Past it a \
            connection has one command under way at a time, so it is not the most that a node takes: each connection \
            may hold 64 KiB and two values more.
            """),
        field(
            "limits.move_rate", .size(0...1 << 40), \.limits.moveRate, example: "50MiB",
            "How many bytes a second this node sends at the most while partitions move. 0: as many as it can."),
    ]

    private static let others = [
        field(
            "security.secret", .secret(bytes: 16...1024), \.secret, variable: "KV_SECRET",
            example: "0123456789abcdef",
            """
            Authenticates the datagrams of failure detection; the same on every node. It does not protect client or \
            peer connections.
            """),
        field(
            "redis.moved", .boolean, \.redis.moved, example: "true",
            """
            Whether a command on a key that another node leads is answered with MOVED, as Redis Cluster does, rather \
            than passed on to that node.
            """),
        field(
            "redis.replicas", .boolean, \.redis.replicas, example: "true",
            """
            Whether CLUSTER SLOTS and SHARDS name the replicas of each range of slots beside its leader, so that clients \
            can read from them (READONLY). Some clients take a node that they see as both for a replica only.
            """),
        field(
            "redis.keyspace", .choice, \.redis.keyspace, example: "node",
            """
            Which keys DBSIZE, SCAN, KEYS, RANDOMKEY, FLUSHALL and FLUSHDB are about. cluster: all, through any node. \
            node: those that the node leads, as in a Redis Cluster, for cluster clients that add up what the nodes tell. \
            auto: node with redis.moved, and on a connection that has asked for the map of slots (CLUSTER SLOTS, SHARDS \
            or NODES); otherwise cluster.
            """),
        field(
            "redis.timeout", .duration(.milliseconds(50) ... .milliseconds(60_000)), \.redis.timeout, example: "5s",
            """
            How long a command may wait for a leader and its answer before it is answered with CLUSTERDOWN or \
            OUTCOMEUNKNOWN. Keep it below the timeout of the clients, or they give up first and send again.
            """),
        field(
            "log.level", .choice, \.log.level, flag: "--log-level", given: { $0.logLevel }, change: .reload,
            example: "debug", "The least important messages that are written."),
        field(
            "log.format", .choice, \.log.format, flag: "--log-format", given: { $0.logFormat }, change: .reload,
            example: "json", "A line of text for each message, or a JSON object on a line."),
    ]

    static let seeds = Setting(
        path: "seeds", values: "list of HOST:PORT, at most \(ClusterFile.maximumSeeds)", standard: "[]",
        flag: "--seed", variable: "KV_SEEDS", change: .start,
        summary: """
            Peer addresses of members, by which a node that the list of nodes does not name finds its cluster. Without \
            them it asks the nodes that are listed. The flag is repeated for several; the variable has commas between \
            them.
            """, example: "[10.0.0.1:7500, 10.0.0.2:7500]")

    // MARK: Settings of each node

    static let nodeFields: [SettingField<ClusterFile.Node>] = {
        let standard = ClusterFile.standard.nodes[0]
        return [
            SettingField(
                "nodes[].id", .id, \.id, of: standard, isRequired: true, change: .creation, example: "n1",
                "Names the node, for good. Its data directory bears the name."),
            SettingField(
                "nodes[].client", .address, \.client, of: standard, flag: "--client", given: { $0.client },
                variable: "KV_CLIENT", change: .creation, example: "10.0.0.1:7400",
                "Where the node listens for clients, whatever protocol they speak."),
            SettingField(
                "nodes[].peer", .address, \.peer, of: standard, flag: "--peer", given: { $0.peer },
                variable: "KV_PEER", change: .creation, example: "10.0.0.1:7500",
                "Where the node listens for other nodes, over both TCP and UDP."),
            SettingField(
                "nodes[].advertise_client", .optionalAddress, \.advertiseClient, of: standard,
                flag: "--advertise-client", given: { $0.advertiseClient }, variable: "KV_ADVERTISE_CLIENT",
                change: .creation, example: "n1.example.net:7400",
                "Where clients reach the node, when that is not where it listens."),
            SettingField(
                "nodes[].advertise_peer", .optionalAddress, \.advertisePeer, of: standard, flag: "--advertise-peer",
                given: { $0.advertisePeer }, variable: "KV_ADVERTISE_PEER", change: .creation,
                example: "n1.example.net:7500",
                "Where other nodes reach the node, when that is not where it listens."),
            SettingField(
                "nodes[].zone", .label(isEmptyAllowed: true), \.zone, of: standard, flag: "--zone",
                given: { $0.zone }, variable: "KV_ZONE", change: .creation, example: "a",
                """
                The node's failure domain, such as a rack or a room. Replicas of a key are put into different zones \
                where there are enough.
                """),
            SettingField(
                "nodes[].weight", .integer(ClusterFile.Node.weights), \.weight, of: standard, flag: "--weight",
                given: { $0.weight }, variable: "KV_WEIGHT", change: .creation, example: "2",
                "The node's share of the data, relative to the others'."),
        ]
    }()

    // MARK: Settings that only flags and variables set

    static let processOnly = [config, node, join]

    package static let config = Setting(
        values: "a file's path", standard: "no file: a cluster of one", flag: "--config", variable: "KV_CONFIG",
        change: .start, summary: "The cluster's cluster.yaml.")

    package static let node = Setting(
        values: Name.wantedID, standard: "the only node of the file", flag: "--node", variable: "KV_NODE",
        change: .start, summary: "Which node this process is: one of the file's, or a new one.")

    package static let join = Setting(
        values: "true or false", standard: "false", flag: "--join", variable: "KV_JOIN", change: .start,
        summary: "Whether the node joins the cluster that its seeds belong to without waiting for 'kv join'.")

    /// The environment variables that a node reads.
    static let variables: [String] = all.compactMap(\.variable)
}
