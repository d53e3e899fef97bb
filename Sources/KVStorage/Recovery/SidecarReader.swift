import KVCore

/// Reads a sidecar. It is only a copy: if anything is wrong with it, the segment itself is read instead.
struct SidecarReader {
    let file: any File
    let segment: SegmentIdentity

    /// Calls `body` with every entry, block by block, as each is found good.
    /// - Returns: nil when the sidecar is damaged. The entries that `body` was given are right, but there may be more.
    func read(_ body: (SidecarEntry) -> Void) throws(FileError) -> SidecarTotals? {
        let size = try file.size()
        let window = ReadWindow(file: file, size: ReadWindow.defaultSize)
        guard let header = SegmentHeader(try window.bytes(0, SegmentHeader.size), magic: SidecarFormat.magic),
            header.identity == segment, header.format == SidecarFormat.format
        else { return nil }
        var offset = UInt64(SegmentHeader.size)
        var entries: UInt64 = 0
        while offset + UInt64(SidecarFormat.blockHeaderSize) <= size {
            let head = try window.bytes(offset, SidecarFormat.blockHeaderSize)
            guard head.count == SidecarFormat.blockHeaderSize else { return nil }
            let length = Int(head.get(0, as: UInt32.self))
            let sum = head.get(4, as: UInt32.self)
            let extent = length == 0 ? SidecarFormat.lastBlockSize : SidecarFormat.blockHeaderSize + length
            guard length <= SidecarFormat.maximumBlock, UInt64(extent) <= size - offset else { return nil }
            let block = try window.bytes(offset, extent)
            guard block.count == extent else { return nil }
            let content = block.slice(SidecarFormat.blockHeaderSize, extent - SidecarFormat.blockHeaderSize)
            guard checksum(content, continuing: SidecarFormat.salt(segment, offset)) == sum else { return nil }
            if length == 0 {
                let totals = SidecarTotals(end: block.get(8), lastBatch: block.get(16), entries: block.get(24))
                return totals.entries == entries ? totals : nil
            }
            var place = 0
            while place < content.count {
                guard let entry = SidecarEntry(content, at: place) else { return nil }
                body(entry)
                entries += 1
                place += entry.bytes.count
            }
            offset += UInt64(extent)
        }
        return nil
    }
}
