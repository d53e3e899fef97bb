import KVCore

// The values that messages are made of.

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
}

extension ByteReader {
    mutating func partition() throws(WireError) -> PartitionID {
        PartitionID(try varint(in: 0...16383, "partition"))
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

    mutating func key() throws(WireError) -> Key { Key(try bytes("key length")) }

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
}
