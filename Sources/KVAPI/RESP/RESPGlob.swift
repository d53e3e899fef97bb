/// A pattern of Redis: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a byte that is meant as it is.
///
/// The elements before the first `*` are compared with the beginning of a text, those after the last `*` with its end.
/// The elements between two stars are searched for. The leftmost match is taken and no `*` is tried again, so the time
/// grows with the length of the text, and with a 64th of the pattern's.
struct RESPGlob: Hashable, Sendable {
    fileprivate enum Element: Hashable {
        case byte(UInt8)
        case any
        case many
        case oneOf(Bytes, isNegated: Bool)

        func matches(_ byte: UInt8) -> Bool {
            switch self {
            case .byte(let wanted): wanted == byte
            case .any: true
            case .oneOf(let bytes, let isNegated): bytes.contains(byte) != isNegated
            case .many: false
            }
        }
    }

    /// A set of bytes: a bit each.
    fileprivate struct Bytes: Hashable {
        private var words: SIMD4<UInt64> = .zero

        mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
        func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 1 }
    }

    private let prefix: [Element]
    private let middles: [GlobSearch]
    /// Nil where the pattern has no `*`.
    private let suffix: [Element]?
    /// The length of the shortest text that it may match.
    private let minimumLength: Int

    init(_ pattern: [UInt8]) {
        let parts = Self.elements(pattern).split(separator: .many, omittingEmptySubsequences: false).map { Array($0) }
        prefix = parts[0]
        suffix = parts.count > 1 ? parts[parts.count - 1] : nil
        middles = parts.dropFirst().dropLast().map(GlobSearch.init)
        minimumLength = parts.reduce(0) { $0 + $1.count }
    }

    /// The bytes with which every text that matches begins.
    var literalPrefix: [UInt8] {
        var bytes: [UInt8] = []
        for case .byte(let byte) in prefix.prefix(while: { if case .byte = $0 { true } else { false } }) {
            bytes.append(byte)
        }
        return bytes
    }

    private static func elements(_ pattern: [UInt8]) -> [Element] {
        var elements: [Element] = []
        var index = 0
        while index < pattern.count {
            let byte = pattern[index]
            index += 1
            switch byte {
            case UInt8(ascii: "*"): if elements.last != .many { elements.append(.many) }
            case UInt8(ascii: "?"): elements.append(.any)
            case UInt8(ascii: "["): elements.append(Self.set(pattern, &index))
            case UInt8(ascii: "\\") where index < pattern.count:
                elements.append(.byte(pattern[index]))
                index += 1
            default: elements.append(.byte(byte))
            }
        }
        return elements
    }

    /// A set that began before `index`; one without an end goes to the pattern's.
    private static func set(_ pattern: [UInt8], _ index: inout Int) -> Element {
        var bytes = Bytes()
        let isNegated = index < pattern.count && pattern[index] == UInt8(ascii: "^")
        if isNegated { index += 1 }
        while index < pattern.count {
            let byte = pattern[index]
            if byte == UInt8(ascii: "\\"), index + 1 < pattern.count {
                bytes.insert(pattern[index + 1])
                index += 2
            } else if byte == UInt8(ascii: "]") {
                index += 1
                break
            } else if index + 2 < pattern.count, pattern[index + 1] == UInt8(ascii: "-") {
                let last = pattern[index + 2]
                for member in min(byte, last)...max(byte, last) { bytes.insert(member) }
                index += 3
            } else {
                bytes.insert(byte)
                index += 1
            }
        }
        return .oneOf(bytes, isNegated: isNegated)
    }

    func matches(_ text: [UInt8]) -> Bool {
        guard text.count >= minimumLength else { return false }
        guard let suffix else { return text.count == prefix.count && Self.match(prefix, text, at: 0) }
        let end = text.count - suffix.count
        guard Self.match(prefix, text, at: 0), Self.match(suffix, text, at: end) else { return false }
        var position = prefix.count
        for middle in middles {
            guard let next = middle.end(in: text, from: position, to: end) else { return false }
            position = next
        }
        return true
    }

    /// About how many steps a text of this length takes.
    func cost(of length: Int) -> Int { middles.reduce(length) { $0 + length / 4 * $1.words } }

    private static func match(_ elements: [Element], _ text: [UInt8], at start: Int) -> Bool {
        for (offset, element) in elements.enumerated() where !element.matches(text[start + offset]) { return false }
        return true
    }
}

/// Searches for the elements between two stars by Baeza-Yates and Gonnet's Shift-And (1992), with a bit for each
/// element. Sets and `?` cost no more than bytes.
private struct GlobSearch: Hashable, Sendable {
    /// 64 elements each.
    let words: Int
    private let count: Int
    /// For each byte, the elements that it matches.
    private let masks: [UInt64]

    init(_ elements: [RESPGlob.Element]) {
        count = elements.count
        words = (elements.count + 63) / 64
        var masks = [UInt64](repeating: 0, count: 256 * words)
        for byte in 0..<256 {
            for (index, element) in elements.enumerated() where element.matches(UInt8(byte)) {
                masks[byte * words + index / 64] |= 1 << UInt64(index % 64)
            }
        }
        self.masks = masks
    }

    /// Where the leftmost match ends; nil where there is none.
    func end(in text: [UInt8], from start: Int, to end: Int) -> Int? {
        guard count > 0 else { return start }
        guard start + count <= end else { return nil }
        let last = (word: (count - 1) / 64, bit: UInt64(1) << UInt64((count - 1) % 64))
        // A bit is set where the elements up to it match what ends here.
        var state = [UInt64](repeating: 0, count: words)
        for position in start..<end {
            let row = Int(text[position]) * words
            var carry: UInt64 = 1
            for word in 0..<words {
                let shifted = state[word] << 1 | carry
                carry = state[word] >> 63
                state[word] = shifted & masks[row + word]
            }
            if state[last.word] & last.bit != 0 { return position + 1 }
        }
        return nil
    }
}
