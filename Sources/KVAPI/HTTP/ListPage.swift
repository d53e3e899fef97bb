import KVCore
import NIOCore

extension ListCursor {
    /// Set in the partition's number, which is below it: the key is there, and has no bytes.
    private static let emptyKey: UInt16 = 1 << 15

    /// The text that clients hand back: the partition in two bytes and the key, in base64 for URLs.
    var opaque: [UInt8] {
        let number = key?.bytes.isEmpty == true ? partition.raw | Self.emptyKey : partition.raw
        return Base64.encodeForURL(
            [UInt8(truncatingIfNeeded: number >> 8), UInt8(truncatingIfNeeded: number)] + (key?.bytes ?? []))
    }

    /// Reads a cursor that a cluster of these settings can have given. Nil for any other text.
    init?(opaque text: [UInt8], _ settings: ClusterSettings, _ limits: RequestLimits) {
        guard let bytes = Base64.decodeFromURL(text), bytes.count >= 2, bytes.count - 2 <= limits.key else {
            return nil
        }
        let number = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        let isKeyEmpty = number & Self.emptyKey != 0
        let partition = PartitionID(number & ~Self.emptyKey)
        let slots = settings.foundingSlots
        guard partition != slots.metadataPartition, partition.raw <= Slot.count, !isKeyEmpty || bytes.count == 2
        else { return nil }
        let key = bytes.count > 2 || isKeyEmpty ? Key(Array(bytes[2...])) : nil
        // Splits may have given the key to another partition since, of the same family.
        guard key.map({ slots.partition(of: $0.slot) == slots.ancestor(of: partition) }) ?? true else { return nil }
        self.init(partition: partition, key: key)
    }
}

extension JSONWriter {
    mutating func page(_ page: ListReply) {
        object { json in
            json.name("keys")
            json.array { json in
                for (key, record) in page.entries { json.entry(key, record) }
            }
            json.name("cursor")
            if let next = page.next { json.string(plain: next.opaque) } else { json.null() }
        }
    }

    private mutating func entry(_ key: Key, _ record: Record?) {
        object { json in
            json.member("key", key.bytes, encoding: "encoding")
            guard let record else { return }
            json.member("value", record.value ?? [], encoding: "value_encoding")
            json.name("version")
            json.string(record.version.description)
        }
    }
}
