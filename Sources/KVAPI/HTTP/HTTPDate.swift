import NIOCore

/// The time as HTTP writes it, `Tue, 14 Nov 2023 22:13:20 GMT` (RFC 9110, 5.6.7). Kept for the second that it is good
/// for.
struct HTTPDate {
    private var second: UInt64?
    private var text: [UInt8] = []

    /// - Parameter wall: milliseconds since 1970, UTC.
    mutating func text(at wall: UInt64) -> [UInt8] {
        let second = wall / 1000
        if self.second != second {
            self.second = second
            text = Self.format(second)
        }
        return text
    }

    /// Years end at 9999, where the format does.
    private static func format(_ second: UInt64) -> [UInt8] {
        let second = Int(min(second, 253_402_300_799))
        let days = second / 86400
        let (year, month, day) = civil(days)
        let names = Array("SunMonTueWedThuFriSat".utf8)
        let months = Array("JanFebMarAprMayJunJulAugSepOctNovDec".utf8)
        let weekday = (days + 4) % 7 * 3
        let clock = second % 86400
        var text = Array(names[weekday..<weekday + 3])
        text += ", ".utf8
        text += digits(day, 2)
        text += " ".utf8
        text += months[(month - 1) * 3..<month * 3]
        text += " ".utf8
        text += digits(year, 4)
        text += " ".utf8
        text += digits(clock / 3600, 2)
        text += ":".utf8
        text += digits(clock / 60 % 60, 2)
        text += ":".utf8
        text += digits(clock % 60, 2)
        text += " GMT".utf8
        return text
    }

    private static func digits(_ number: Int, _ count: Int) -> [UInt8] {
        var digits = [UInt8](repeating: UInt8(ascii: "0"), count: count)
        var rest = number
        for index in digits.indices.reversed() {
            digits[index] += UInt8(rest % 10)
            rest /= 10
        }
        return digits
    }

    /// The Gregorian date so many days after 1970 began. Years are counted from March, so that the leap day comes last,
    /// in eras of 400 years, which are all 146,097 days long (Hinnant, "chrono-compatible low-level date algorithms").
    private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }
}
