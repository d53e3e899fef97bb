import KVCore

/// The keys, named as in YCSB: `user` and a number of twelve digits, so all have the same length.
enum KeyName {
    static let length = 16
    /// The numbers of keys are below this.
    static let limit = 1_000_000_000_000

    static func bytes(_ number: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: length) { space, count in
            fill(UnsafeMutableRawBufferPointer(space), number)
            count = length
        }
    }

    static func slot(_ number: Int) -> Slot {
        withUnsafeTemporaryAllocation(byteCount: length, alignment: 1) { space in
            fill(space, number)
            return Slot(key: UnsafeBufferPointer(space.bindMemory(to: UInt8.self)))
        }
    }

    /// - Parameter space: `length` bytes.
    static func fill(_ space: UnsafeMutableRawBufferPointer, _ number: Int) {
        space[0] = UInt8(ascii: "u")
        space[1] = UInt8(ascii: "s")
        space[2] = UInt8(ascii: "e")
        space[3] = UInt8(ascii: "r")
        var rest = UInt(bitPattern: number)
        for index in stride(from: length - 1, through: 4, by: -1) {
            let (quotient, digit) = rest.quotientAndRemainder(dividingBy: 10)
            space[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
            rest = quotient
        }
    }
}
