import KVCore

extension ClusterFile {
    /// The most seeds that a node may have.
    package static let maximumSeeds = 1000

    mutating func readSeeds(_ top: FieldReader.Section, _ reader: inout FieldReader) {
        guard let items = reader.list(top, "seeds") else { return }
        guard items.count <= Self.maximumSeeds else {
            reader.report(top.mark(of: "seeds"), "seeds may list \(Self.maximumSeeds) addresses, not \(items.count)")
            return
        }
        origins["seeds"] = reader.place(of: top.mark(of: "seeds"))
        var lines: [Address: Int] = [:]
        for (index, item) in items.enumerated() {
            guard let address = reader.address(item, named: "seeds[\(index)]") else { continue }
            if address.isWildcard {
                reader.report(
                    item.mark,
                    "seeds[\(index)] is \(address), which names no node: write the peer address of a member")
            } else if let line = lines.updateValue(item.mark.line, forKey: address) {
                reader.report(
                    item.mark, "seeds[\(index)] is \(address), which is on line \(line + 1) already; keep one")
            } else {
                seeds.append(address)
            }
        }
    }
}
