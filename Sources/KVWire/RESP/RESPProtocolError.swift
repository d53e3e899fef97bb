/// Why a client's bytes are not the Redis protocol, in Redis's words.
package enum RESPProtocolError: Error, Hashable, Sendable {
    /// The number of arguments is not a number, or exceeds the limit.
    case count
    case longCount
    /// A length is not a number, or exceeds the limit.
    case length
    case longLength
    /// An argument begins with this byte rather than with `$`.
    case mark(UInt8)
    case longInline
    case quotes

    /// The text after `ERR Protocol error: `.
    package var message: String {
        switch self {
        case .count: "invalid multibulk length"
        case .longCount: "too big mbulk count string"
        case .length: "invalid bulk length"
        case .longLength: "too big bulk count string"
        case .mark(let byte):
            // A line break would end the error's own line.
            "expected '$', got '\(0x20...0x7e ~= byte ? Character(UnicodeScalar(byte)) : " ")'"
        case .longInline: "too big inline request"
        case .quotes: "unbalanced quotes in request"
        }
    }
}
