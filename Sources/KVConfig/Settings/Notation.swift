import Glibc
import KVCore

/// The error of a text that is not a valid length of time, size or address.
package struct NotationError: Error, Hashable, Sendable {
    /// A description of valid text, which follows "must be" or "is not".
    package var wanted: String
}

extension Nanoseconds {
    /// - Parameter notation: digits and a unit: `ms`, `s`, `m`, `h` or `d`.
    package init(notation: String) throws(NotationError) {
        let wanted = NotationError(wanted: "a length of time such as 100ms, 5s or 10m")
        let units: [String: UInt64] = ["ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let (count, unit) = numberAndUnit(notation), let factor = units[unit] else { throw wanted }
        let (milliseconds, overflow) = count.multipliedReportingOverflow(by: factor)
        guard !overflow, milliseconds <= UInt64.max / 1_000_000 else { throw wanted }
        self = .milliseconds(milliseconds)
    }

    /// The text that `init(notation:)` reads, in the largest exact unit.
    package var notation: String {
        for (unit, factor) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] as [(String, UInt64)]
        where milliseconds >= factor && milliseconds % factor == 0 {
            return "\(milliseconds / factor)\(unit)"
        }
        return "\(milliseconds)ms"
    }
}

/// Sizes as they are written: `4096` or `4096B` (bytes), `4KiB`, `1MiB`, `1GiB`, `1TiB`.
package enum ByteSize {
    private static let units = [("", 0), ("B", 0), ("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)]

    /// Parses a size in bytes.
    package static func parse(_ notation: String) throws(NotationError) -> Int {
        let wanted = NotationError(wanted: "a size such as 4KiB, 1MiB or 4096 (bytes)")
        guard let (count, unit) = numberAndUnit(notation), let shift = units.first(where: { $0.0 == unit })?.1 else {
            throw wanted
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << UInt64(shift))
        guard !overflow, let bytes = Int(exactly: bytes) else { throw wanted }
        return bytes
    }

    /// The text that `parse` reads, in the largest exact unit.
    package static func notation(_ bytes: Int) -> String {
        for (unit, shift) in units.reversed() where shift > 0 && bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)"
    }
}

extension Address {
    /// - Parameter notation: `HOST:PORT`; the host is a name, an IPv4 address or a bracketed IPv6 address. Names are
    ///   put in lower case and IPv6 addresses in their shortest form, so that equal addresses are equal.
    package init(notation: String) throws(NotationError) {
        let wanted = NotationError(wanted: "HOST:PORT, such as 127.0.0.1:7400 or [::1]:7400")
        guard let colon = notation.lastIndex(of: ":") else { throw wanted }
        let host = notation[..<colon]
        let digits = notation[notation.index(after: colon)...]
        guard let port = decimal(digits), (1...65_535).contains(port) else {
            throw NotationError(wanted: "HOST:PORT with a port from 1 to 65535")
        }
        if host.first == "[" && host.last == "]" && host.utf8.count > 2 {
            guard let canonical = canonicalIPv6(String(host.dropFirst().dropLast())) else { throw wanted }
            self.init(host: canonical, port: Int(port))
        } else {
            guard isHostName(host) else { throw wanted }
            self.init(host: host.lowercased(), port: Int(port))
        }
    }

    /// True for an address that means every interface: a node can listen on it, but not be reached at it.
    package var isWildcard: Bool { host == "0.0.0.0" || host == "::" }
}

/// Parses plain decimal digits, without a sign or leading zeros.
func decimal(_ text: some StringProtocol) -> UInt64? {
    guard let first = text.utf8.first, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }),
        first != UInt8(ascii: "0") || text.utf8.count == 1
    else { return nil }
    return UInt64(text)
}

private func numberAndUnit(_ text: String) -> (UInt64, String)? {
    let digits = text.prefix { $0.isASCII && $0.isNumber }
    guard let count = decimal(digits) else { return nil }
    return (count, String(text[digits.endIndex...]))
}

private func isHostName(_ host: Substring) -> Bool {
    guard (1...253).contains(host.utf8.count) else { return false }
    let isNumeric = host.utf8.allSatisfy { $0 == UInt8(ascii: ".") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    if isNumeric {
        var address = in_addr()
        return inet_pton(AF_INET, String(host), &address) == 1
    }
    return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
        !label.isEmpty && label.utf8.count <= 63 && label.utf8.first != UInt8(ascii: "-")
            && label.utf8.allSatisfy(isNameByte)
    }
}

/// True for `A-Z a-z 0-9 - _`.
func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
        true
    default: false
    }
}

private func canonicalIPv6(_ text: String) -> String? {
    var address = in6_addr()
    // inet_pton would stop at a NUL.
    guard text.utf8.allSatisfy({ $0 != 0 }), inet_pton(AF_INET6, text, &address) == 1 else { return nil }
    var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
    guard inet_ntop(AF_INET6, &address, &buffer, socklen_t(buffer.count)) != nil else { return nil }
    return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
