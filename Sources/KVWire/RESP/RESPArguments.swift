/// The arguments of a request, the command's name first, where they lie in the bytes that came: valid for the length of
/// the call that they are given to.
package struct RESPArguments {
    /// Where an argument lies.
    struct Place: Hashable, Sendable {
        var start: Int
        var count: Int
    }

    let bytes: UnsafeRawBufferPointer
    let places: [Place]

    @inline(__always)
    init(bytes: UnsafeRawBufferPointer, places: [Place]) {
        self.bytes = bytes
        self.places = places
    }

    package var count: Int { places.count }

    /// An argument's bytes.
    package subscript(index: Int) -> UnsafeRawBufferPointer {
        let place = places[index]
        return UnsafeRawBufferPointer(rebasing: bytes[place.start..<(place.start + place.count)])
    }

    /// A copy of an argument's bytes. (By this initializer, which allocates in half the time of the one with
    /// uninitialized capacity.)
    package func array(_ index: Int) -> [UInt8] { Array(self[index]) }

    /// An argument as text; what is not UTF-8 is replaced.
    package func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

    /// Whether an argument is this word, in letters of any case. The word is in capitals.
    package func matches(_ index: Int, _ word: StaticString) -> Bool {
        let argument = self[index]
        guard argument.count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<argument.count where capital(argument[offset]) != word.utf8Start[offset] { return false }
        return true
    }

    /// An argument that is a decimal integer of 64 bits, written as Redis demands: without spaces, a plus or leading
    /// zeros.
    package func integer(_ index: Int) -> Int64? { decimalInteger(self[index]) }
}

@inline(__always)
func capital(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte ? byte & 0xdf : byte
}

/// A decimal integer of 64 bits without spaces, a plus or leading zeros; nil for anything else.
package func decimalInteger(_ text: UnsafeRawBufferPointer) -> Int64? {
    // The longest has a sign and 19 digits.
    guard let first = text.first, text.count <= 20 else { return nil }
    let isNegative = first == UInt8(ascii: "-")
    let start = isNegative ? 1 : 0
    guard start < text.count else { return nil }
    if text[start] == UInt8(ascii: "0") { return text.count == 1 ? 0 : nil }
    var value: Int64 = 0
    for index in start..<text.count {
        let digit = text[index] &- UInt8(ascii: "0")
        guard digit <= 9 else { return nil }
        let (product, overflow) = value.multipliedReportingOverflow(by: 10)
        let (sum, carry) =
            isNegative
            ? product.subtractingReportingOverflow(Int64(digit)) : product.addingReportingOverflow(Int64(digit))
        guard !overflow, !carry else { return nil }
        value = sum
    }
    return value
}
