import KVCore

extension ClusterFile {
    /// How many nodes a file may list.
    public static let maximumNodes = 1000

    private static let vocabulary: KeyValuePairs<String, [String]> = [
        "": ["cluster", "nodes", "seeds", "data_dir", "storage", "failure", "limits", "security", "redis", "log"],
        "cluster": ["name", "partitions", "replicas"],
        "nodes": ["id", "client", "peer", "advertise_client", "advertise_peer", "zone", "weight"],
        "storage": ["sync", "sync_interval", "cache", "segment", "shards"],
        "failure": ["probe_interval", "evict_after"],
        "limits": ["key", "value", "connections", "in_flight", "move_rate"],
        "security": ["secret"],
        "redis": ["moved"],
        "log": ["level", "format"],
    ]

    /// Reads the text of a `cluster.yaml`.
    /// - Parameter name: the file's, for messages.
    public static func parse(_ bytes: [UInt8], name: String) throws(ConfigurationError) -> ClusterFile {
        var reader = FieldReader(file: name, vocabulary: vocabulary)
        var file = ClusterFile.standard
        do {
            file.read(try YAMLTree.parse(bytes), &reader)
        } catch {
            reader.report(error.mark, error.message)
        }
        guard reader.problems.isEmpty else { throw reader.error }
        return file
    }

    private mutating func read(_ root: YAMLNode?, _ reader: inout FieldReader) {
        let top = reader.section(root, path: "", kind: "")
        guard top.isMapping else { return }
        readCluster(top, &reader)
        readNodes(top, &reader)
        readSeeds(top, &reader)
        readDataDirectory(top, &reader)
        readStorageAndLimits(top, &reader)
        let failure = reader.section(top.values["failure"], path: "failure", kind: "failure")
        self.failure.probeInterval =
            reader.span(failure, "probe_interval", in: .milliseconds(50) ... .milliseconds(60_000))
            ?? self.failure.probeInterval
        self.failure.evictAfter =
            reader.span(failure, "evict_after", in: .milliseconds(10_000) ... .milliseconds(30 * 86_400_000))
            ?? self.failure.evictAfter
        readSecurity(top, &reader)
        let redis = reader.section(top.values["redis"], path: "redis", kind: "redis")
        self.redis.moved = reader.boolean(redis, "moved") ?? self.redis.moved
        let log = reader.section(top.values["log"], path: "log", kind: "log")
        self.log.level = reader.choice(log, "level") ?? self.log.level
        self.log.format = reader.choice(log, "format") ?? self.log.format
    }

    private mutating func readCluster(_ top: FieldReader.Section, _ reader: inout FieldReader) {
        let cluster = reader.section(top.values["cluster"], path: "cluster", kind: "cluster")
        stated = Set(cluster.values.keys.map { "cluster.\($0)" })
        if let name = reader.text(cluster, "name", wanted: Name.wantedLabel) {
            settings.name = name
            if !Name.isLabel(name) {
                reader.report(
                    cluster.mark(of: "name"), "cluster.name must be \(Name.wantedLabel), not \(quoted(name))")
            }
        } else if cluster.isMapping && cluster.values["name"] == nil {
            reader.report(
                cluster.mark,
                "cluster.name is missing: name the cluster (nodes of a cluster of another name are refused)")
        }
        if let partitions = reader.integer(cluster, "partitions", in: 1...16_384) {
            settings.partitions = partitions
            if partitions.nonzeroBitCount != 1 {
                let below = 1 << (Int.bitWidth - 1 - partitions.leadingZeroBitCount)
                reader.report(
                    cluster.mark(of: "partitions"),
                    "cluster.partitions must be a power of two, not \(partitions): write \(below) or \(below * 2)")
            }
        }
        settings.replicas = reader.integer(cluster, "replicas", in: 1...9) ?? settings.replicas
    }

    private mutating func readSecurity(_ top: FieldReader.Section, _ reader: inout FieldReader) {
        let security = reader.section(top.values["security"], path: "security", kind: "security")
        guard let secret = reader.text(security, "secret", wanted: Self.wantedSecret) else { return }
        // What was given is not repeated: messages end up in logs.
        if !Self.isSecret(secret) {
            reader.report(security.mark(of: "secret"), "security.secret must be \(Self.wantedSecret)")
        }
        self.secret = secret
    }

    private mutating func readDataDirectory(_ top: FieldReader.Section, _ reader: inout FieldReader) {
        guard let path = reader.text(top, "data_dir", wanted: "a directory's path") else { return }
        if let problem = Self.problem(withDataDirectory: path) {
            reader.report(top.mark(of: "data_dir"), "data_dir \(problem)")
        }
        dataDirectory = path
    }

    /// What is wrong with a path for data, to follow its name.
    static func problem(withDataDirectory path: String) -> String? {
        if path.isEmpty { return "is empty: name a directory" }
        if path.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
            return "holds a control character: \(quoted(path))"
        }
        if path == "~" || path.hasPrefix("~/") { return "begins with ~, which is not expanded: write the path in full" }
        return nil
    }

    private mutating func readStorageAndLimits(_ top: FieldReader.Section, _ reader: inout FieldReader) {
        let storage = reader.section(top.values["storage"], path: "storage", kind: "storage")
        self.storage.sync = reader.choice(storage, "sync") ?? self.storage.sync
        self.storage.syncInterval =
            reader.span(storage, "sync_interval", in: .milliseconds(1) ... .milliseconds(60_000))
            ?? self.storage.syncInterval
        self.storage.cache = reader.size(storage, "cache", in: 0...1 << 40) ?? self.storage.cache
        self.storage.segment = reader.size(storage, "segment", in: 1 << 20...1 << 30) ?? self.storage.segment
        self.storage.shards =
            reader.integer(storage, "shards", in: 0...Storage.maximumShards) ?? self.storage.shards

        let limits = reader.section(top.values["limits"], path: "limits", kind: "limits")
        self.limits.key = reader.size(limits, "key", in: 1...Limits.maximumKey) ?? self.limits.key
        self.limits.value = reader.size(limits, "value", in: 1...Limits.maximumValue) ?? self.limits.value
        self.limits.connections = reader.integer(limits, "connections", in: 1...1_000_000) ?? self.limits.connections
        self.limits.inFlight = reader.size(limits, "in_flight", in: 1 << 20...64 << 30) ?? self.limits.inFlight
        self.limits.moveRate = reader.size(limits, "move_rate", in: 0...1 << 40) ?? self.limits.moveRate
        let value = ByteSize.notation(self.limits.value)
        if self.limits.inFlight < self.limits.value {
            let given = limits.values["in_flight"] == nil ? "value" : "in_flight"
            reader.report(
                limits.mark(of: given),
                "limits.in_flight (\(ByteSize.notation(self.limits.inFlight))) must be at least limits.value (\(value))"
            )
        }
        if self.storage.segment / 2 < self.limits.value + self.limits.key {
            let given = storage.values["segment"]?.mark ?? limits.mark(of: "value")
            reader.report(
                given,
                "storage.segment (\(ByteSize.notation(self.storage.segment))) must hold two records of the largest size:"
                    + " limits.key plus limits.value, twice")
        }
    }
}
