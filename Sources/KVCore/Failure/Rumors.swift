/// The members about whom there is news to pass on. Each piece of news goes out a limited number of times; those told
/// least go first.
struct Rumors: Sendable {
    private struct Rumor: Sendable {
        let node: NodeNumber
        /// The number of updates that it takes.
        let size: Int
        var told = 0
    }

    /// Ascending by `told`.
    private var rumors: [Rumor] = []

    var isEmpty: Bool { rumors.isEmpty }

    func contains(_ node: NodeNumber) -> Bool { rumors.contains { $0.node == node } }

    /// There is something new about `node`. It takes the place of the news before.
    /// - Parameter size: the number of updates that it takes.
    mutating func begin(_ node: NodeNumber, size: Int = 1) {
        end(node)
        rumors.insert(Rumor(node: node, size: size), at: 0)
    }

    /// Stops passing on news about `node`, if there is any.
    mutating func end(_ node: NodeNumber) {
        guard let index = rumors.firstIndex(where: { $0.node == node }) else { return }
        rumors.remove(at: index)
    }

    /// Takes the news for the next message, which counts as told.
    /// - Parameters:
    ///   - room: the number of updates that the message can take.
    ///   - transmissions: how often each piece of news is told.
    mutating func take(_ room: Int, transmissions: Int) -> [NodeNumber] {
        var left = room
        let taken = rumors.prefix { rumor in
            left -= rumor.size
            return left >= 0
        }
        guard !taken.isEmpty else { return [] }
        // Both halves are in order: merge them, with those just told behind their equals.
        var rest = rumors[taken.endIndex...]
        var merged: [Rumor] = []
        merged.reserveCapacity(rumors.count)
        for var rumor in taken {
            rumor.told += 1
            // It has been told often enough, and so have those after it, which were told no less often.
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
        assert(zip(rumors, rumors.dropFirst()).allSatisfy { $0.told <= $1.told }, "the least told come first")
        return nodes
    }
}
