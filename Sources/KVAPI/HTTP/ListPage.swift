import KVCore
import NIOCore

extension ListCursor {
    /// Set in the partition's number, which is below it: the key is there, and has no bytes.
    private static let emptyKey: UInt16 = 1 << 15

    /// The text that clients hand back, in base64 for URLs: two bytes and the key. The two bytes name the partition of
    /// those that the cluster was created with, so every node understands them alike.
    ///
    /// - Parameter slots: `Backend.foundingSlots`.
    func opaque(_ slots: SlotMap) -> [UInt8] {
        let partition = slots.partition(of: slot)
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
        guard let slots = settings.foundingSlots.slots(of: partition), !isKeyEmpty || bytes.count == 2 else {
            return nil
        }
        guard bytes.count > 2 || isKeyEmpty else {
            self.init(slot: slots.lowerBound)
            return
        }
        let key = Key(Array(bytes[2...]))
        guard slots.contains(key.slot) else { return nil }
        self.init(after: key)
    }
}

extension JSONWriter {
    /// - Parameter slots: `Backend.foundingSlots`.
    mutating func page(_ page: ListReply, _ slots: SlotMap) {
        object { json in
            json.name("keys")
            json.array { json in
                for (key, record) in page.entries { json.entry(key, record) }
            }
            json.name("cursor")
            if let next = page.next { json.string(plain: next.opaque(slots)) } else { json.null() }
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
