/// Reads and prints values that are numbers with a fraction, as Redis does: in the widest floating-point format of the
/// machine, with 17 digits after the point.
enum DecimalNumber {
    #if arch(x86_64)
    typealias Number = Float80
    #else
    typealias Number = Double
    #endif

    /// A longer text is not a number. The longest text that is printed has 4933 digits before the point.
    static let maximumLength = 5119

    private static let digitsAfterPoint = 17

    /// The number that `text` stands for, in a notation that C's `strtold` accepts: decimal or hexadecimal, with or
    /// without point and exponent, or an infinity. Nil for any other text, for "nan", and for a number so large or so
    /// small that it would be rounded to infinity or to zero.
    static func value(of text: [UInt8]) -> Number? {
        guard text.count <= maximumLength, text.allSatisfy({ (0x21...0x7e).contains($0) }),
            let number = Number(String(decoding: text, as: UTF8.self)), !number.isNaN
        else { return nil }
        if number.isInfinite { return isInfinity(text) ? number : nil }
        if number == 0 { return isZero(text) ? number : nil }
        return number
    }

    private static func unsigned(_ text: [UInt8]) -> ArraySlice<UInt8> {
        let isSigned = text.first == UInt8(ascii: "-") || text.first == UInt8(ascii: "+")
        return isSigned ? text.dropFirst() : text[...]
    }

    private static func isInfinity(_ text: [UInt8]) -> Bool {
        unsigned(text).first.map { $0 | 0x20 } == UInt8(ascii: "i")
    }

    /// True if all digits before the exponent are zeros.
    private static func isZero(_ text: [UInt8]) -> Bool {
        let digits = unsigned(text)
        let isHexadecimal = digits.dropFirst().first.map { $0 | 0x20 } == UInt8(ascii: "x")
        let exponent = UInt8(ascii: isHexadecimal ? "p" : "e")
        let mantissa = (isHexadecimal ? digits.dropFirst(2) : digits).prefix { $0 | 0x20 != exponent }
        return mantissa.allSatisfy { $0 == UInt8(ascii: "0") || $0 == UInt8(ascii: ".") }
    }

    /// Prints a finite number in decimal, rounded to 17 digits after the point (half to even), without trailing zeros.
    static func text(of number: Number) -> [UInt8] {
        let digits = scaledDigits(of: number.magnitude)
        let point = max(digits.count - digitsAfterPoint, 0)
        var text = point == 0 ? [UInt8(ascii: "0")] : Array(digits[..<point])
        var fraction = Array(repeating: UInt8(ascii: "0"), count: max(digitsAfterPoint - digits.count, 0))
        fraction += digits[point...]
        while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        if !fraction.isEmpty { text += [UInt8(ascii: ".")] + fraction }
        return number < 0 && text != [UInt8(ascii: "0")] ? [UInt8(ascii: "-")] + text : text
    }

    /// The decimal digits of `magnitude` times 10 to the 17th, rounded to an integer; none for zero.
    private static func scaledDigits(of magnitude: Number) -> [UInt8] {
        guard magnitude != 0, magnitude.isFinite else { return [] }
        // 64 bits hold the significand of either format; with the 57 bits of 10^17, 121 bits hold the product.
        let significand = UInt64(magnitude.significand * 0x1p63)
        let product = UInt128(significand) * 100_000_000_000_000_000
        let exponent = Int(magnitude.exponent) - 63
        guard exponent < 0 else { return digits(of: product, doubled: exponent) }
        guard exponent > -128 else { return [] }
        let unit = UInt128(1) << UInt128(-exponent)
        let rest = product & (unit - 1)
        var rounded = product >> UInt128(-exponent)
        if rest > unit / 2 || rest == unit / 2 && rounded & 1 == 1 { rounded += 1 }
        return rounded == 0 ? [] : Array("\(rounded)".utf8)
    }

    /// The digits of a number doubled `count` times, by long multiplication in base 10^9.
    private static func digits(of number: UInt128, doubled count: Int) -> [UInt8] {
        let base: UInt64 = 1_000_000_000
        var limbs: [UInt64] = []
        var rest = number
        while rest != 0 {
            limbs.append(UInt64(rest % UInt128(base)))
            rest /= UInt128(base)
        }
        var left = count
        while left > 0 {
            let shift = UInt64(min(left, 32))
            left -= Int(shift)
            var carry: UInt64 = 0
            for index in limbs.indices {
                let value = limbs[index] << shift + carry
                limbs[index] = value % base
                carry = value / base
            }
            while carry != 0 {
                limbs.append(carry % base)
                carry /= base
            }
        }
        var text = Array("\(limbs.last ?? 0)".utf8)
        for limb in limbs.dropLast().reversed() {
            let digits = Array("\(limb)".utf8)
            text += repeatElement(UInt8(ascii: "0"), count: 9 - digits.count)
            text += digits
        }
        return text
    }
}
