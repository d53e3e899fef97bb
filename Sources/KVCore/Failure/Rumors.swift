/// Members about whom there is news to pass on. Each piece goes out a limited number of times, those told least first.
struct Rumors: Sendable {
    private struct Rumor: Sendable {
        let node: NodeNumber
        /// Updates that it takes.
        let size: Int
        var told = 0
    }

    /// Ascending by `told`.
    private var rumors: [Rumor] = []

    var isEmpty: Bool { rumors.isEmpty }

    func contains(_ node: NodeNumber) -> Bool { rumors.contains { $0.node == node } }

    /// There is something new about `node`. It takes the place of what was told before.
    /// - Parameter size: updates that it takes.
    mutating func begin(_ node: NodeNumber, size: Int = 1) {
        end(node)
        rumors.insert(Rumor(node: node, size: size), at: 0)
    }

    mutating func end(_ node: NodeNumber) {
        guard let index = rumors.firstIndex(where: { $0.node == node }) else { return }
        rumors.remove(at: index)
    }

    /// What the next message is to tell, which counts as told.
    /// - Parameters:
    ///   - room: for so many updates.
    ///   - transmissions: how often each is told.
    mutating func take(_ room: Int, transmissions: Int) -> [NodeNumber] {
        var left = room
        let taken = rumors.prefix { rumor in
            left -= rumor.size
            return left >= 0
        }
        guard !taken.isEmpty else { return [] }
        // Both halves are in order: merge them, those just told behind their equals.
        var rest = rumors[taken.endIndex...]
        var merged: [Rumor] = []
        merged.reserveCapacity(rumors.count)
        for var rumor in taken {
            rumor.told += 1
            guard rumor.told < transmissions else { break }
            while let first = rest.first, first.told <= rumor.told {
                merged.append(first)
                rest.removeFirst()
            }
            merged.append(rumor)
        }
        merged.append(contentsOf: rest)
        let nodes = taken.map(\.node)
        rumors = merged
        return nodes
    }
}
