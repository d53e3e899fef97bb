import FoundationEssentials
import KVModel

/// A node's answer, and its meaning for the request.
struct Answer: Sendable {
    var endpoint: Address
    var message: AnswerMessage

    init(endpoint: Address, _ message: AnswerMessage) {
        self.endpoint = endpoint
        self.message = message
    }

    var status: Int { message.status }
    var version: Version? { message.version }

    func decoded<Value: Decodable>(as type: Value.Type) -> Value? {
        try? JSONDecoder().decode(type, from: Data(message.body))
    }

    /// The error that an answer other than a success stands for.
    func failure(of request: Request) -> KVClientError {
        let body = decoded(as: ErrorBody.self)
        let message = body?.message ?? "\(endpoint) answered \(status) and gave no reason"
        switch status {
        case 412: return .conditionFailed(version)
        case 401, 403: return .denied(message)
        case 409: return .conflict(code: body?.error ?? "conflict", message: message)
        case 408, 429, 503: return .refused(code: body?.error ?? "refused", message: message)
        case 400, 404, 405, 411, 413, 414, 415, 431: return .badRequest(message)
        case _ where request.mayRepeat: return .unreachable(message)
        default: return .unknown(message)
        }
    }

    /// The error for a success without a field or body that it should have: the server is not `kv`, or not compatible.
    func notUnderstood(_ request: Request) -> KVClientError {
        let message = "\(endpoint) answered \(status) in a way that is not kv's; is it a kv node's client port?"
        return request.mayRepeat ? .badRequest(message) : .unknown(message)
    }

    /// Whether a node of `kv` gave the answer: each names itself in its answers. Another server's 404 says nothing
    /// about a key.
    var isOfNode: Bool { !message.node.isEmpty }

    /// Whether the node says that it cannot execute the request now, while another node might.
    func sendsElsewhere(_ request: Request) -> Bool {
        guard status == 503 else { return false }
        if request.isAboutCluster || request.mayRepeat { return true }
        switch decoded(as: ErrorBody.self)?.error {
        // These are about the node and not about the key.
        case "not_member", "stopping", "not_ready": return true
        default: return false
        }
    }

    /// Whether the node that it names executed an operation on a key, which only the key's leader does.
    var isOfLeader: Bool {
        switch status {
        case 200, 204, 404, 412: true
        default: false
        }
    }
}
