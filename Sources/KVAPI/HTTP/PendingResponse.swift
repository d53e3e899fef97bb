import KVCore
import NIOHTTP1

/// A response, as far as it is known before its request has ended.
struct PendingResponse: Equatable {
    enum Connection {
        /// Stays open, as is usual in HTTP/1.1.
        case implicit
        /// Stays open, which a client of HTTP/1.0 must be told.
        case keepAlive
        case close
    }

    /// The answer to a HEAD.
    var omitsBody = false
    var connection = Connection.implicit
    /// Versions of the value that the client has already; they are not sent again.
    var unless: EntityTags?

    init() {}

    init(_ head: HTTPRequestHead) {
        omitsBody = head.method == .HEAD
        connection = !head.isKeepAlive ? .close : head.version.minor == 0 ? .keepAlive : .implicit
    }
}

extension AnswerWriter {
    /// Answers a command on a key that has ended.
    mutating func answer(_ request: Request, _ response: PendingResponse) {
        let node = request.executorID
        switch (request.command, request.outcome) {
        case (.get, .found(let record)):
            if let tags = response.unless, tags.contains(record.version) {
                empty(.notModified, version: record.version, by: node, response)
            } else {
                found(record, by: node, response)
            }
        case (.put, .written(let version)): empty(.noContent, version: version, by: node, response)
        case (.delete, .written): empty(.noContent, version: nil, by: node, response)
        case (_, .absent): failure(.absent(request.key), by: node, response)
        case (_, .conditionFailed(let version)): failure(.conditionFailed(version), by: node, response)
        case (_, .refused(let refusal)): failure(HTTPFailure(refusal), by: node, response)
        case (_, .unknown(let uncertainty)): failure(HTTPFailure(uncertainty), by: node, response)
        case (_, .found), (_, .written), (_, .listed), (_, .counted), (_, .updated), (_, nil):
            failure(.unfitting, by: node, response)
        }
    }

    /// - Parameter topology: has the names of the nodes that a plan's moves are between.
    mutating func control(_ reply: ControlReply, _ topology: Topology?, _ response: PendingResponse) {
        switch reply {
        case .plan(let plan):
            let names = NodeNames(topology)
            json({ json in json.object { $0.plan(plan, names) } }, response)
        case .refused(let refusal, let message): failure(HTTPFailure(refusal, message), response)
        case .unknown: failure(.unknownPlan, response)
        case .notCoordinator: failure(.noCoordinator, response)
        }
    }

    mutating func readiness(_ health: Health, _ response: PendingResponse) {
        switch health {
        case .ready: text("ok", response)
        case .warned(let warning): text("ok, but \(warning)", response)
        case .notReady(let reason):
            failure(HTTPFailure(.unavailable, "not_ready", "the node cannot serve yet: \(reason)"), response)
        }
    }
}
