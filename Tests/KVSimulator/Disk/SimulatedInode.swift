import Glibc
import KVCore
import KVStorage

/// A file: its present contents, the durable contents, and the changes in between.
final class SimulatedInode {
    /// What a power loss does to the changes since the last sync: all are lost, all survive, or each survives in part.
    enum Fate { case lost, whole, mixed }

    private enum Change {
        case write(Int, [UInt8])
        case resize(Int)
    }

    private static let sector = 512

    private(set) var content: [UInt8] = []
    private var durable: [UInt8] = []
    /// The changes since the last sync.
    private var changes: [Change] = []

    func write(_ bytes: [UInt8], at offset: Int) {
        Self.apply(bytes[...], at: offset, to: &content)
        changes.append(.write(offset, bytes))
    }

    func resize(to size: Int) {
        Self.resize(&content, to: size)
        changes.append(.resize(size))
    }

    func sync() {
        for change in changes { Self.apply(change, to: &durable) }
        changes = []
    }

    func flip(_ byte: Int, _ mask: UInt8) {
        content[byte] ^= mask
        if durable.indices.contains(byte) { durable[byte] ^= mask }
    }

    func reset(_ bytes: [UInt8]) {
        content = bytes
        durable = bytes
        changes = []
    }

    func losePower(_ fate: Fate, _ random: inout SplitMix) {
        for change in changes {
            switch fate {
            case .lost: break
            case .whole: Self.apply(change, to: &durable)
            case .mixed: applySome(of: change, &random)
            }
        }
        content = durable
        changes = []
    }

    private func applySome(of change: Change, _ random: inout SplitMix) {
        let fate = random.below(4)
        if fate == 0 { return }
        guard case .write(let offset, let bytes) = change, fate != 1 else {
            Self.apply(change, to: &durable)
            return
        }
        if fate == 2 {
            let count = Int(random.below(UInt64(bytes.count)))
            Self.apply(bytes[..<count], at: offset, to: &durable)
            return
        }
        var start = 0
        while start < bytes.count {
            let end = min(bytes.count, start + Self.sector - (offset + start) % Self.sector)
            if random.below(2) == 0 { Self.apply(bytes[start..<end], at: offset + start, to: &durable) }
            start = end
        }
    }

    private static func apply(_ change: Change, to target: inout [UInt8]) {
        switch change {
        case .write(let offset, let bytes): apply(bytes[...], at: offset, to: &target)
        case .resize(let size): resize(&target, to: size)
        }
    }

    private static func apply(_ bytes: ArraySlice<UInt8>, at offset: Int, to target: inout [UInt8]) {
        if bytes.isEmpty { return }
        if target.count < offset + bytes.count { resize(&target, to: offset + bytes.count) }
        target.withUnsafeMutableBytes { target in
            bytes.withUnsafeBytes { target[offset..<offset + bytes.count].copyBytes(from: $0) }
        }
    }

    private static func resize(_ target: inout [UInt8], to size: Int) {
        if size < target.count {
            target.removeLast(target.count - size)
        } else {
            let more = size - target.count
            // memset is used because a debug build appends repeated zeros one by one.
            target += [UInt8](unsafeUninitializedCapacity: more) { buffer, count in
                if let base = buffer.baseAddress { memset(base, 0, more) }
                count = more
            }
        }
    }
}

/// A directory: its present names, the durable names, and the changes in between.
final class SimulatedDirectory {
    enum Node {
        case file(SimulatedInode)
        case directory(SimulatedDirectory)
    }

    private(set) var entries: [String: Node] = [:]
    private var durable: [String: Node] = [:]
    /// The changes since the last sync. The names of one change survive together.
    private var changes: [[(name: String, node: Node?)]] = []

    func change(_ names: [(name: String, node: Node?)]) {
        for (name, node) in names { entries[name] = node }
        changes.append(names)
    }

    func sync() {
        durable = entries
        changes = []
    }

    func losePower(_ fate: SimulatedInode.Fate, _ random: inout SplitMix) {
        for change in changes {
            let survives =
                switch fate {
                case .lost: false
                case .whole: true
                case .mixed: random.below(2) == 0
                }
            if survives { for (name, node) in change { durable[name] = node } }
        }
        entries = durable
        changes = []
        for (_, node) in entries.sorted(by: { $0.key < $1.key }) {
            switch node {
            case .file(let inode): inode.losePower(fate, &random)
            case .directory(let directory): directory.losePower(fate, &random)
            }
        }
    }

    /// The bytes of all files below.
    var size: UInt64 {
        entries.values.reduce(0) { sum, node in
            switch node {
            case .file(let inode): sum + UInt64(inode.content.count)
            case .directory(let directory): sum + directory.size
            }
        }
    }
}
