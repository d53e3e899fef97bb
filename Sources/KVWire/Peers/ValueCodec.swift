import KVCore

// Encodes the values in messages.

extension ByteWriter {
    mutating func header(_ header: PartitionHeader) {
        varint(UInt64(header.partition.raw))
        varint(header.epoch)
        fixed(header.ballot.raw)
    }

    mutating func version(_ version: Version) {
        fixed(version.ballot.raw)
        varint(version.sequence)
    }

    mutating func optionalVersion(_ value: Version?) {
        byte(value == nil ? 0 : 1)
        if let value { version(value) }
    }

    mutating func digest(_ digest: Digest) {
        fixed(digest.high)
        fixed(digest.low)
    }

    mutating func uuid(_ uuid: UUID128) {
        fixed(uuid.high)
        fixed(uuid.low)
    }

    mutating func record(_ record: Record) {
        version(record.version)
        varint(record.expiry.milliseconds)
        string(record.contentType)
        byte(record.value == nil ? 0 : 1)
        if let value = record.value { bytes(value) }
    }

    mutating func optionalRecord(_ value: Record?) {
        byte(value == nil ? 0 : 1)
        if let value { record(value) }
    }

    mutating func partition(_ partition: PartitionID) { varint(UInt64(partition.raw)) }

    mutating func node(_ node: NodeNumber) { varint(UInt64(node.raw)) }

    mutating func optionalNode(_ value: NodeNumber?) {
        byte(value == nil ? 0 : 1)
        if let value { node(value) }
    }

    mutating func nodes(_ nodes: [NodeNumber]) {
        varint(count: nodes.count)
        for each in nodes { node(each) }
    }

    mutating func optionalUUID(_ value: UUID128?) {
        byte(value == nil ? 0 : 1)
        if let value { uuid(value) }
    }

    mutating func optionalString(_ value: String?) {
        byte(value == nil ? 0 : 1)
        if let value { string(value) }
    }

    mutating func address(_ address: Address) {
        string(address.host)
        fixed(UInt16(clamping: address.port))
    }
}

extension ByteReader {
    /// Reads a partition. The highest is the metadata quorum's in a cluster with 16384 partitions.
    mutating func partition() throws(WireError) -> PartitionID {
        PartitionID(try varint(in: 0...16384, "partition"))
    }

    mutating func node() throws(WireError) -> NodeNumber {
        NodeNumber(try varint(in: 0...UInt16.max, "node number"))
    }

    mutating func ballot() throws(WireError) -> Ballot { Ballot(raw: try fixed(UInt64.self)) }

    mutating func header() throws(WireError) -> PartitionHeader {
        PartitionHeader(partition: try partition(), epoch: try varint(), ballot: try ballot())
    }

    mutating func version() throws(WireError) -> Version {
        Version(ballot: try ballot(), sequence: try varint())
    }

    mutating func optionalVersion() throws(WireError) -> Version? {
        try boolean("presence of a version") ? try version() : nil
    }

    mutating func digest() throws(WireError) -> Digest {
        Digest(high: try fixed(UInt64.self), low: try fixed(UInt64.self))
    }

    mutating func uuid() throws(WireError) -> UUID128 {
        UUID128(high: try fixed(UInt64.self), low: try fixed(UInt64.self))
    }

    /// Reads a key. One that the store could not hold is refused, since an append cannot fail.
    mutating func key() throws(WireError) -> Key {
        let bytes = try bytes("key length")
        guard bytes.count <= Key.maximumBytes else { throw .tooMany("key length", UInt64(bytes.count)) }
        return Key(bytes)
    }

    mutating func record() throws(WireError) -> Record {
        let version = try version()
        let expiry = Expiry(milliseconds: try varint())
        let contentType = try string("content type", limit: Record.maximumContentType)
        let value = try boolean("presence of a value") ? try bytes("value length") : nil
        return Record(version: version, expiry: expiry, value: value, contentType: contentType)
    }

    mutating func optionalRecord() throws(WireError) -> Record? {
        try boolean("presence of a record") ? try record() : nil
    }

    mutating func optionalNode() throws(WireError) -> NodeNumber? {
        try boolean("presence of a node") ? try node() : nil
    }

    mutating func nodes(_ field: String) throws(WireError) -> [NodeNumber] {
        let count = try count(of: field, size: 1)
        var nodes: [NodeNumber] = []
        nodes.reserveCapacity(count)
        for _ in 0..<count { nodes.append(try node()) }
        return nodes
    }

    mutating func optionalUUID(_ field: String) throws(WireError) -> UUID128? {
        try boolean("presence of \(field)") ? try uuid() : nil
    }

    /// Reads a node's id, a zone or a host.
    mutating func name(_ field: String) throws(WireError) -> String {
        try string(field, limit: TopologyCodec.maximumText)
    }

    mutating func optionalName(_ field: String) throws(WireError) -> String? {
        try boolean("presence of a name") ? try name(field) : nil
    }

    mutating func names(_ field: String) throws(WireError) -> [String] {
        let count = try count(of: field, size: 1)
        var names: [String] = []
        names.reserveCapacity(count)
        for _ in 0..<count { names.append(try name(field)) }
        return names
    }

    mutating func address() throws(WireError) -> Address {
        let host = try name("host")
        return Address(host: host, port: Int(try fixed(UInt16.self)))
    }
}
