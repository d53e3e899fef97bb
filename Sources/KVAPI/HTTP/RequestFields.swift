import KVCore
import NIOHTTP1

/// The header fields that have a meaning here, found in one pass. All others are ignored.
struct RequestFields {
    private(set) var framing = BodyFraming.none
    /// Whether a `Content-Length` was given, be it 0.
    private(set) var hasLength = false
    private(set) var expectsContinue = false
    /// The client would rather speak another protocol: the connection cannot be used after the answer.
    private(set) var asksUpgrade = false
    private(set) var ifMatch: String?
    private(set) var ifNoneMatch: String?
    private(set) var contentType: String?
    /// The encoding of the body. `identity` means that there is none.
    private(set) var contentEncoding: String?

    private var host: String?
    private var origin: String?
    private var length: String?
    private var transferEncoding: String?
    private var expect: String?

    /// Fails if the end of the message cannot be found, or if it is not HTTP. The connection cannot be used then.
    init(_ head: HTTPRequestHead) throws(HTTPFailure) {
        for (name, value) in head.headers {
            switch name.utf8.count {
            case 4 where name.isField("host"): try Self.set(&host, value, name)
            case 6 where name.isField("origin"): try Self.set(&origin, value, name)
            case 6 where name.isField("expect"): try Self.set(&expect, value, name)
            case 7 where name.isField("upgrade"): asksUpgrade = true
            case 8 where name.isField("if-match"): try Self.set(&ifMatch, value, name)
            case 12 where name.isField("content-type"): try Self.set(&contentType, value, name)
            case 13 where name.isField("if-none-match"): try Self.set(&ifNoneMatch, value, name)
            case 14 where name.isField("content-length"): try Self.set(&length, value, name)
            case 16 where name.isField("content-encoding"): try Self.set(&contentEncoding, value, name)
            case 17 where name.isField("transfer-encoding"): try Self.set(&transferEncoding, value, name)
            default: break
            }
        }
        if head.method == .CONNECT { asksUpgrade = true }
        let isHTTP10 = head.version.minor == 0
        if host == nil, !isHTTP10 {
            throw .bad("missing_host", "an HTTP/1.1 request must have a Host header")
        }
        framing = try bodyFraming(isHTTP10: isHTTP10)
        if let expect, !isHTTP10 {
            guard expect.isField("100-continue") else {
                throw .bad("bad_expectation", "the only Expect that can be met is 100-continue")
            }
            expectsContinue = true
        }
    }

    /// False if a browser says that a page of another site has sent the request.
    var isSameOrigin: Bool {
        guard let origin else { return true }
        guard let host else { return false }
        return origin == "http://\(host)" || origin == "https://\(host)"
    }

    private mutating func bodyFraming(isHTTP10: Bool) throws(HTTPFailure) -> BodyFraming {
        if let transferEncoding {
            guard length == nil, !isHTTP10, transferEncoding.isField("chunked") else {
                throw .bad(
                    "bad_transfer_encoding",
                    "the only Transfer-Encoding known is chunked, in HTTP/1.1 and without a Content-Length")
            }
            return .chunked
        }
        guard let length else { return .none }
        hasLength = true
        guard let digits = UInt64(length) else { throw .bad("bad_content_length", "Content-Length is not a number") }
        return digits == 0 ? .none : .length(Int(clamping: digits))
    }

    private static func set(_ field: inout String?, _ value: String, _ name: String) throws(HTTPFailure) {
        guard field == nil else { throw .bad("duplicate_header", "the \(name) header is given twice; send it once") }
        field = value
    }
}

extension String {
    /// Whether this is the given name, which is in lower case, in any case.
    func isField(_ lowercase: StaticString) -> Bool {
        var index = 0
        return lowercase.withUTF8Buffer { wanted in
            for byte in utf8 {
                let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte)
                guard index < wanted.count, (isUpper ? byte | 0x20 : byte) == wanted[index] else { return false }
                index += 1
            }
            return index == wanted.count
        }
    }
}
