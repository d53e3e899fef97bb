import FoundationEssentials
import KVCore
import NIOCore
import NIOHTTP1

/// A node's answer, and what it means.
struct Answer {
    var endpoint: Address
    var head: HTTPResponseHead
    var body: ByteBuffer

    /// The ETag.
    var version: Version? {
        guard let tag = head.headers.first(name: "etag"), tag.count > 2, tag.first == "\"", tag.last == "\"" else {
            return nil
        }
        return Version(String(tag.dropFirst().dropLast()))
    }

    func decoded<Value: Decodable>(as type: Value.Type) -> Value? {
        try? JSONDecoder().decode(type, from: Data(body.readableBytesView))
    }

    /// What an answer that is no success means.
    func failure(of request: Request) -> KVClientError {
        let body = decoded(as: ErrorBody.self)
        let message = body?.message ?? "\(endpoint) answered \(head.status.code) and gave no reason"
        switch head.status.code {
        case 412: return .conditionFailed(version)
        case 401, 403: return .denied(message)
        case 409: return .conflict(code: body?.error ?? "conflict", message: message)
        case 408, 429, 503: return .refused(code: body?.error ?? "refused", message: message)
        case 400, 404, 405, 411, 413, 414, 415, 431: return .badRequest(message)
        case _ where request.mayRepeat: return .unreachable(message)
        default: return .unknown(message)
        }
    }

    /// A success that lacks what it should have: the other end is no `kv`, or one that is not compatible.
    func notUnderstood(_ request: Request) -> KVClientError {
        let message =
            "\(endpoint) answered \(head.status.code) in a way that is not kv's; is it a kv node's client port?"
        return request.mayRepeat ? .badRequest(message) : .unknown(message)
    }
}
