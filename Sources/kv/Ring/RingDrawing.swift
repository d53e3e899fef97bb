import Glibc
import KVClient
import KVCore

/// Draws the ring as a circle of letters, which show the leaders.
///
/// Slot 0 is at the top, and slots go clockwise. Each character stands for the partitions that have slots in its arc.
/// It is the mark of the node that leads the first of them, or a dot if any of them has no leader.
struct RingDrawing {
    /// The rows from the middle to the rim. Characters are assumed to be twice as high as wide.
    private static let radius = 7

    private let ring: RingStatus
    private let hasColor: Bool
    private let indices: [String: Int]

    init(_ ring: RingStatus, hasColor: Bool) {
        self.ring = ring
        self.hasColor = hasColor
        indices = Dictionary(ring.nodes.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    /// The mark of a node: a letter or a digit, or `#` if there are too many nodes.
    static func mark(of index: Int) -> String {
        let marks = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        return index < marks.count ? String(marks[index]) : "#"
    }

    var lines: [String] {
        let width = Self.radius * 4 + 1
        let height = Self.radius * 2 + 1
        var canvas = Array(repeating: Array(repeating: " ", count: width), count: height)
        let rim = Self.rim()
        for (place, cell) in rim.enumerated() {
            canvas[cell.y][cell.x] = leader(ofArc: place, of: rim.count)
        }
        let rows = canvas.map { row in
            "  " + row.prefix((row.lastIndex { $0 != " " } ?? -1) + 1).joined()
        }
        return rows + ["", "  who leads which slots: 0 at the top, clockwise", ""]
    }

    /// The positions of the circle's characters, in the order of the slots.
    private static func rim() -> [(x: Int, y: Int)] {
        var cells: [(angle: Double, x: Int, y: Int)] = []
        for y in 0...radius * 2 {
            for x in 0...radius * 4 {
                let right = Double(x - radius * 2) / 2
                let down = Double(y - radius)
                let distance = (right * right + down * down).squareRoot()
                guard abs(distance - Double(radius)) < 0.5 else { continue }
                let angle = atan2(right, -down)
                cells.append((angle < 0 ? angle + 2 * Double.pi : angle, x, y))
            }
        }
        return cells.sorted { $0.angle < $1.angle }.map { ($0.x, $0.y) }
    }

    private func leader(ofArc place: Int, of places: Int) -> String {
        // A partition that has been split has half the slots of one that has not.
        let first = place * Slot.count / places
        let last = (place + 1) * Slot.count / places - 1
        let begin = ring.assignments.partitioningIndex { $0.lastSlot >= first }
        let arc = ring.assignments[begin...].prefix { $0.firstSlot <= last }
        guard let leader = arc.first?.leader, arc.allSatisfy({ $0.leader != nil }), let index = indices[leader] else {
            return "·"
        }
        let mark = Self.mark(of: index)
        return hasColor ? "\u{1B}[\(31 + index % 6)m\(mark)\u{1B}[0m" : mark
    }
}

extension [AssignmentStatus] {
    /// The first index from which all elements are `after`; they must be those at the end.
    fileprivate func partitioningIndex(where after: (AssignmentStatus) -> Bool) -> Int {
        var low = startIndex
        var high = endIndex
        while low < high {
            let middle = low + (high - low) / 2
            if after(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
