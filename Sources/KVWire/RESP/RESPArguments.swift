/// The arguments of a request, beginning with the command's name, as parts of the received bytes. They are valid only
/// during the call that they are passed to.
package struct RESPArguments {
    /// The position of an argument.
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

    /// Copies an argument's bytes. (This initializer allocates in half the time of the one with uninitialized
    /// capacity.)
    package func array(_ index: Int) -> [UInt8] { Array(self[index]) }

    /// An argument as text; bytes that are not UTF-8 are replaced.
    package func text(_ index: Int) -> String { String(decoding: self[index], as: UTF8.self) }

    /// True when an argument is this word, in any case. The word is in capitals.
    package func matches(_ index: Int, _ word: StaticString) -> Bool {
        let argument = self[index]
        guard argument.count == word.utf8CodeUnitCount else { return false }
        for offset in 0..<argument.count where capital(argument[offset]) != word.utf8Start[offset] { return false }
        return true
    }

    /// An argument as a decimal integer of 64 bits, in the form that Redis demands: without spaces, a plus or leading
    /// zeros.
    package func integer(_ index: Int) -> Int64? { decimalInteger(self[index]) }
}

@inline(__always)
func capital(_ byte: UInt8) -> UInt8 {
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte ? byte & 0xdf : byte
}

/// Parses a decimal integer of 64 bits without spaces, a plus or leading zeros; nil for anything else.
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
