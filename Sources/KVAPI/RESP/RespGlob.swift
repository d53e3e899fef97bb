/// A pattern of Redis: `*`, `?`, `[a-c]`, `[^a]`, and `\` before a byte that is meant as it is.
struct RespGlob: Hashable, Sendable {
    private enum Element: Hashable {
        case byte(UInt8)
        case any
        case many
        case oneOf(Bytes, isNegated: Bool)
    }

    /// A set of bytes: a bit each.
    private struct Bytes: Hashable {
        private var words: SIMD4<UInt64> = .zero

        mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
        func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] >> UInt64(byte & 63) & 1 == 1 }
    }

    private var elements: [Element] = []

    init(_ pattern: [UInt8]) {
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

    /// Whether it is `*`.
    var matchesEverything: Bool { elements == [.many] }

    /// Only the last `*` is ever tried again, so the time is bounded by the product of both lengths.
    func matches(_ text: [UInt8]) -> Bool {
        var element = 0
        var index = 0
        var retry: (element: Int, index: Int)?
        while index < text.count {
            if element < elements.count, elements[element] == .many {
                element += 1
                retry = (element, index)
            } else if element < elements.count, Self.matches(elements[element], text[index]) {
                element += 1
                index += 1
            } else if let last = retry {
                element = last.element
                retry = (last.element, last.index + 1)
                index = last.index + 1
            } else {
                return false
            }
        }
        return elements[element...].allSatisfy { $0 == .many }
    }

    private static func matches(_ element: Element, _ byte: UInt8) -> Bool {
        switch element {
        case .byte(let wanted): wanted == byte
        case .any: true
        case .oneOf(let bytes, let isNegated): bytes.contains(byte) != isNegated
        case .many: false
        }
    }
}
