/// Tells what a crash leaves at the end of the newest segment from damage.
///
/// Batches that were never synced may be there whole, in part, or not at all, and are cut off: no client was told that
/// they are durable. A bad batch that had been synced is damage. Three observations tell the two apart at the point
/// where the log stops making sense:
///
/// 1. A later batch says that the bad one had been synced before it: damage.
/// 2. Sectors that were never written read as zeros, because the file was extended by zeros. If a part of the bad batch
///    that lies in one sector is all zero, or its last byte is, the batch was never written completely: a crash.
/// 3. Otherwise every sector was written, and something changed afterwards: damage.
struct TailCheck {
    enum Verdict: Equatable {
        /// Only zeros follow.
        case clean
        case torn
        case damaged
    }

    static let sector: UInt64 = 512

    let file: any File
    let segment: SegmentIdentity
    let size: UInt64

    /// - Parameters:
    /// - offset: where the batch `expected` should begin; it is missing or bad.
    func verdict(_ offset: UInt64, expected: UInt64) throws(FileError) -> Verdict {
        let scan = try scan(from: offset, expected: expected)
        if scan.laterSynced { return .damaged }
        if scan.isZero { return .clean }
        return try looksTorn(offset) ? .torn : .damaged
    }

    /// True when any batch of this segment can be found at all.
    func hasBatches() throws(FileError) -> Bool {
        try scan(from: 0, expected: 0).laterSynced
    }

    private func scan(from offset: UInt64, expected: UInt64) throws(FileError) -> (laterSynced: Bool, isZero: Bool) {
        let window = ReadWindow(file: file, size: ReadWindow.defaultSize)
        let step = ReadWindow.defaultSize - BatchHeader.size
        var isZero = true
        var start = offset & ~7
        while start < size {
            let bytes = try window.bytes(start, ReadWindow.defaultSize)
            if bytes.isEmpty { break }
            if !(bytes.isZero) {
                isZero = false
                if foundSynced(bytes, at: start, expected) { return (true, false) }
            }
            start += UInt64(step)
        }
        return (false, isZero)
    }

    private func foundSynced(_ bytes: UnsafeRawBufferPointer, at start: UInt64, _ expected: UInt64) -> Bool {
        var place = 0
        while place + BatchHeader.size <= bytes.count {
            if bytes.get(place, as: UInt32.self) == BatchHeader.magic,
                let header = BatchHeader(bytes.slice(place, BatchHeader.size), segment, at: start + UInt64(place)),
                header.synced >= expected
            {
                return true
            }
            place += 8
        }
        return false
    }

    private func looksTorn(_ offset: UInt64) throws(FileError) -> Bool {
        let rest = size - offset
        guard rest >= UInt64(BatchHeader.size) else { return true }
        let window = ReadWindow(file: file, size: 64 << 10)
        let head = try window.bytes(offset, BatchHeader.size)
        guard let header = BatchHeader(head, segment, at: offset) else {
            return head.count < BatchHeader.size || head[BatchHeader.size - 1] == 0
                || hasEmptySector(head, at: offset, from: 0)
        }
        guard UInt64(header.extent) <= rest else { return true }
        let all = try window.bytes(offset, header.extent)
        let length = BatchHeader.size + Int(header.length)
        guard all.count == header.extent, all[length + BatchHeader.trailerSize - 1] != 0 else { return true }
        let written = all.slice(0, length + BatchHeader.trailerSize)
        let bad = BatchReader.firstBad(all.slice(BatchHeader.size, Int(header.length))) ?? Int(header.length)
        return hasEmptySector(written, at: offset, from: BatchHeader.size + bad)
    }

    /// True when, from `place` on, the part of `bytes` in some sector is all zero. `bytes` begin at `offset` in the
    /// file.
    private func hasEmptySector(_ bytes: UnsafeRawBufferPointer, at offset: UInt64, from place: Int) -> Bool {
        var place = place - Int((offset + UInt64(place)) % Self.sector)
        while place < bytes.count {
            let start = max(place, 0)
            let end = min(place + Int(Self.sector), bytes.count)
            if bytes.slice(start, end - start).isZero { return true }
            place += Int(Self.sector)
        }
        return false
    }
}
