/// Why a client's bytes are not the Redis protocol, in Redis's words.
package enum RESPProtocolError: Error, Hashable, Sendable {
    /// A number of arguments that is none, or more than there may be.
    case count
    case longCount
    /// A length that is none, or more than there may be.
    case length
    case longLength
    /// This byte stands where an argument should begin.
    case mark(UInt8)
    case longInline
    case quotes

    /// What follows `ERR Protocol error: `.
    package var message: String {
        switch self {
        case .count: "invalid multibulk length"
        case .longCount: "too big mbulk count string"
        case .length: "invalid bulk length"
        case .longLength: "too big bulk count string"
        case .mark(let byte):
            // A line break here would break the error's own line.
            "expected '$', got '\(0x20...0x7e ~= byte ? Character(UnicodeScalar(byte)) : " ")'"
        case .longInline: "too big inline request"
        case .quotes: "unbalanced quotes in request"
        }
    }
}
