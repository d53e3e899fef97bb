import FoundationEssentials
import KVModel
import KVProtocol

// Operations on keys for a node of version 0.2, which speaks HTTP only.

extension HTTPCall {
    /// The request that does the same over HTTP; nil if there is none.
    init?(_ key: Key, _ operation: ClientOperation) {
        let path = "/v1/kv/\(percentEncoded(key.bytes))"
        switch operation {
        case .get(let consistency):
            self.init(.get, path, parameters: consistency == .stale ? "consistency=stale" : "")
        case .put(let put):
            self.init(.put, path)
            if case .milliseconds(let span) = put.lifetime { parameters = "ttl=\(span)ms" }
            condition = put.condition
            contentType = put.contentType
            body = put.value
        case .delete(let condition):
            self.init(.delete, path)
            self.condition = condition
        case .list(let page):
            var parameters = "prefix=\(percentEncoded(key.bytes))&limit=\(page.limit)"
            if !page.cursor.isEmpty { parameters += "&cursor=\(percentEncoded(page.cursor))" }
            if page.values { parameters += "&values=true" }
            self.init(.get, "/v1/kv", parameters: parameters)
        case .add, .touch: return nil
        }
    }
}

extension AnswerFrame.Content {
    /// What an answer over HTTP says; nil if it is an error, or none of a `kv` node.
    init?(_ message: AnswerMessage, to operation: ClientOperation) {
        guard message.isOfNode else { return nil }
        switch (message.status, operation) {
        case (200, .get):
            guard let version = message.version else { return nil }
            self = .value(
                FoundValue(
                    version: version, value: message.body, contentType: message.contentType,
                    milliseconds: message.secondsToLive.map(Self.milliseconds)))
        case (200, .list):
            guard let page = message.decoded(as: KeyPage.self) else { return nil }
            self = .page(FoundPage(page))
        case (204, .put):
            guard let version = message.version else { return nil }
            self = .written(version)
        case (204, .delete): self = .written(nil)
        case (404, .get), (404, .delete): self = .absent
        case (412, _): self = .conditionFailed(message.version)
        default: return nil
        }
    }

    private static func milliseconds(_ seconds: UInt64) -> UInt64 {
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        return overflow ? .max : product
    }
}

extension FoundPage {
    fileprivate init(_ page: KeyPage) {
        self.init(
            entries: page.entries.map { entry in
                let found = entry.version.map { FoundValue(version: $0, value: entry.value ?? []) }
                return Entry(key: entry.key, found: found)
            }, cursor: page.cursor.map { Array($0.utf8) })
    }
}

extension AnswerMessage {
    /// Whether a node of `kv` gave the answer: each names itself in its answers. Another server's 404 says nothing
    /// about a key.
    var isOfNode: Bool { !node.isEmpty }

    func decoded<Value: Decodable>(as type: Value.Type) -> Value? {
        try? JSONDecoder().decode(type, from: Data(body))
    }
}
