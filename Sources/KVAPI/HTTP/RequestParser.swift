import KVCore
import KVProtocol
import NIOHTTP1

/// Reads what a request asks for from its target, method and header fields.
struct RequestParser {
    /// The settings of the cluster, or nil while there is none.
    let settings: () -> ClusterSettings?
    let limits: RequestLimits

    /// Longest request target, in bytes: a key with every byte percent-encoded, a cursor, and the names around them.
    var targetLimit: Int { 5 * min(max(limits.key, 0), 1 << 20) + 1024 }

    private enum Target {
        case key(Key)
        case list, ring, nodes, topology, load, ping, live, ready
        case plan, pause, resume, cancel
        case join(String)
        case leave(String)
        case split
    }

    func parse(_ head: HTTPRequestHead, _ fields: RequestFields) throws(HTTPFailure) -> HTTPRequest {
        var uri = head.uri
        guard uri.utf8.count <= targetLimit else {
            throw HTTPFailure(
                .targetTooLong, "target_too_long",
                "the request target has \(uri.utf8.count) bytes, over the limit of \(targetLimit)")
        }
        // A closure that throws a type other than `any Error` is not inferred yet, hence the detour.
        let result: Result<HTTPRequest, HTTPFailure> = uri.withUTF8 { bytes in
            do throws(HTTPFailure) {
                return .success(try parse(target: bytes, head.method, fields))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func parse(
        target bytes: TargetBytes, _ method: HTTPMethod, _ fields: RequestFields
    ) throws(HTTPFailure) -> HTTPRequest {
        for byte in bytes where byte >= 0x7f || byte <= 0x20 || byte == UInt8(ascii: "#") {
            throw .bad(
                "bad_target", "the request target has a byte that must be percent-encoded (RFC 3986), as in %C3%A9")
        }
        let origin = Self.originForm(bytes)
        let mark = origin.firstIndex(of: UInt8(ascii: "?")) ?? origin.count
        let query = origin.part(min(mark + 1, origin.count)..<origin.count)
        let target = try target(origin.part(0..<mark))
        let isRead = method == .GET || method == .HEAD
        let request: HTTPRequest
        switch target {
        case .key(let key):
            switch method {
            case .GET, .HEAD: request = try get(key, query, fields)
            case .PUT: return try put(key, query, fields)
            case .DELETE: request = try delete(key, query, fields)
            default: throw Self.notAllowed("GET, HEAD, PUT, DELETE")
            }
        case .plan where isRead: request = .control(.status, timeout: try timeout(query))
        case .join, .leave, .split, .plan, .pause, .resume, .cancel:
            guard method == .POST else {
                if case .plan = target { throw Self.notAllowed("GET, HEAD, POST") }
                throw Self.notAllowed("POST")
            }
            // A page of another site could have sent it: browsers do not ask first before they POST.
            guard fields.isSameOrigin else { throw .foreignOrigin }
            request = try post(target, query)
            if case .change = request { return request }
        default:
            guard isRead else { throw Self.notAllowed("GET, HEAD") }
            request = try read(target, query)
        }
        guard fields.framing == .none else { throw .bad("unexpected_body", "this request takes no body") }
        return request
    }

    /// The target without the scheme and host that a proxy's client writes before it (RFC 9112, 3.2.2).
    private static func originForm(_ target: TargetBytes) -> TargetBytes {
        for scheme in ["http://", "https://"] as [StaticString] where target.starts(with: scheme) {
            let rest = target.part(scheme.utf8CodeUnitCount..<target.count)
            guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return rest.part(0..<0) }
            return rest.part(slash..<rest.count)
        }
        return target
    }

    private func target(_ path: TargetBytes) throws(HTTPFailure) -> Target {
        let keys: StaticString = "/v1/kv/"
        if path.starts(with: keys) {
            return .key(try key(percentDecoded(path.part(keys.utf8CodeUnitCount..<path.count), plus: true)))
        }
        if path == "/v1/kv" { return .list }
        if path == "/v1/ring" { return .ring }
        if path == "/v1/ring/split" { return .split }
        if path == "/v1/nodes" { return .nodes }
        if path == "/v1/topology" { return .topology }
        if path == "/v1/load" { return .load }
        if path == "/v1/plan" { return .plan }
        if path == "/v1/plan/pause" { return .pause }
        if path == "/v1/plan/resume" { return .resume }
        if path == "/v1/plan/cancel" { return .cancel }
        if let target = try membership(path) { return target }
        if path == "/ping" { return .ping }
        if path == "/health/live" { return .live }
        if path == "/health/ready" { return .ready }
        throw HTTPFailure(
            .notFound, "unknown_path",
            "there is nothing at this path; keys are at /v1/kv/KEY, the cluster at /v1/ring, /v1/nodes, /v1/topology, "
                + "/v1/load, /v1/plan")
    }

    /// `/v1/nodes/ID/join` and `/leave`.
    private func membership(_ path: TargetBytes) throws(HTTPFailure) -> Target? {
        let nodes: StaticString = "/v1/nodes/"
        guard path.starts(with: nodes) else { return nil }
        let rest = path.part(nodes.utf8CodeUnitCount..<path.count)
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else { return nil }
        let verb = rest.part(slash..<rest.count)
        let isJoin = verb == "/join"
        guard isJoin || verb == "/leave" else { return nil }
        let bytes = try percentDecoded(rest.part(0..<slash), plus: true)
        let id = try NodeField.id(String(decoding: bytes, as: UTF8.self), "what stands before /join or /leave")
        return isJoin ? .join(id) : .leave(id)
    }

    private func key(_ bytes: [UInt8]) throws(HTTPFailure) -> Key {
        guard bytes.count <= limits.key else {
            throw HTTPFailure(
                .targetTooLong, "key_too_long", LimitText.keyTooLong(bytes.count, limit: limits.key))
        }
        return Key(bytes)
    }

    private static func notAllowed(_ methods: StaticString) -> HTTPFailure {
        HTTPFailure(.methodNotAllowed, "method_not_allowed", "this path knows only \(methods)", allow: methods)
    }
}

// MARK: - What each target takes

extension RequestParser {
    private func get(_ key: Key, _ query: TargetBytes, _ fields: RequestFields) throws(HTTPFailure) -> HTTPRequest {
        let parameters = try QueryParameters(query, allowed: [.consistency, .timeout])
        guard fields.ifMatch == nil else {
            throw .bad("bad_condition", "If-Match is for PUT and DELETE; a read takes If-None-Match")
        }
        var unless: EntityTags?
        if let text = fields.ifNoneMatch {
            unless = EntityTags(text)
            guard unless != nil else { throw Self.badTag("If-None-Match") }
        }
        return .key(KeyRequest(.get, key: key, options: try parameters.options(), unless: unless))
    }

    private func put(_ key: Key, _ query: TargetBytes, _ fields: RequestFields) throws(HTTPFailure) -> HTTPRequest {
        let parameters = try QueryParameters(query, allowed: [.ttl, .timeout])
        if fields.framing == .none, !fields.hasLength {
            throw HTTPFailure(
                .lengthRequired, "length_required",
                "a PUT says how long its value is: send Content-Length (0 for an empty value), or chunked")
        }
        if let coding = fields.contentEncoding, !coding.isField("identity") {
            throw HTTPFailure(
                .unsupportedMediaType, "content_encoding",
                "the value is encoded (Content-Encoding), which would not come back with it: send it as it is, or "
                    + "name the encoding in its Content-Type")
        }
        var condition = try change(fields)
        if let text = fields.ifNoneMatch {
            guard fields.ifMatch == nil else {
                throw .bad("conflicting_conditions", "If-Match and If-None-Match are given together; give one")
            }
            guard EntityTags(text) == .any else {
                throw .bad("bad_condition", "a PUT knows only If-None-Match: *, for a key that must not exist yet")
            }
            condition = .ifAbsent
        }
        let options = try parameters.options()
        let put = Put(
            value: [], contentType: try contentType(fields), lifetime: try parameters.lifetime(), condition: condition)
        return .key(KeyRequest(.put(put), key: key, options: options))
    }

    private func delete(_ key: Key, _ query: TargetBytes, _ fields: RequestFields) throws(HTTPFailure) -> HTTPRequest {
        let parameters = try QueryParameters(query, allowed: [.timeout])
        guard fields.ifNoneMatch == nil else {
            throw .bad("bad_condition", "a DELETE knows only If-Match")
        }
        return .key(KeyRequest(.delete(try change(fields)), key: key, options: try parameters.options()))
    }

    private func read(_ target: Target, _ query: TargetBytes) throws(HTTPFailure) -> HTTPRequest {
        switch target {
        case .list: return try list(query)
        case .ring:
            let parameters = try QueryParameters(query, allowed: [.key])
            return try parameters[.key].map { bytes throws(HTTPFailure) in .place(try key(bytes)) } ?? .ring
        case .load: return .load(over: try QueryParameters(query, allowed: [.over]).over())
        default: break
        }
        _ = try QueryParameters(query, allowed: [])
        switch target {
        case .nodes: return .nodes
        case .topology: return .topology
        case .live: return .live
        case .ready: return .ready
        case .ping, .key, .list, .ring, .load, .plan, .pause, .resume, .cancel, .join, .leave, .split: return .ping
        }
    }

    private func post(_ target: Target, _ query: TargetBytes) throws(HTTPFailure) -> HTTPRequest {
        switch target {
        case .join(let id):
            let parameters = try QueryParameters(query, allowed: [.weight, .zone, .replace, .dryRun, .timeout])
            return .change(
                .join(try parameters.join(id), isDryRun: try parameters.flag(.dryRun)),
                hasParameters: parameters.hasOthersThanTimeout, timeout: try parameters.timeout())
        case .leave(let id):
            let parameters = try QueryParameters(query, allowed: [.force, .dryRun, .timeout])
            return .change(
                .leave(id, isForced: try parameters.flag(.force), isDryRun: try parameters.flag(.dryRun)),
                hasParameters: parameters.hasOthersThanTimeout, timeout: try parameters.timeout())
        case .split:
            let parameters = try QueryParameters(query, allowed: [.partitions, .dryRun, .timeout])
            return .change(
                .split(try parameters.partitions(), isDryRun: try parameters.flag(.dryRun)),
                hasParameters: parameters.hasOthersThanTimeout, timeout: try parameters.timeout())
        case .pause: return .control(.pause, timeout: try timeout(query))
        case .resume: return .control(.resume, timeout: try timeout(query))
        case .cancel: return .control(.cancel, timeout: try timeout(query))
        default: return .change(.plan, hasParameters: false, timeout: try timeout(query))
        }
    }

    /// The timeout of a request that has no other parameter.
    private func timeout(_ query: TargetBytes) throws(HTTPFailure) -> Nanoseconds {
        try QueryParameters(query, allowed: [.timeout]).timeout()
    }

    private func list(_ query: TargetBytes) throws(HTTPFailure) -> HTTPRequest {
        let parameters = try QueryParameters(query, allowed: [.prefix, .cursor, .limit, .values, .timeout])
        let prefix = parameters[.prefix] ?? []
        guard prefix.count <= limits.key else {
            throw .bad("bad_prefix", "the prefix is longer than a key may be (\(limits.key) bytes)")
        }
        var cursor: ListCursor?
        if let text = parameters[.cursor] {
            guard let settings = settings() else { throw .notMember }
            cursor = ListCursor(opaque: text, settings, limits)
            guard cursor != nil else {
                throw .bad("bad_cursor", FailureText.foreignCursor)
            }
        }
        return .list(
            ListRequest(
                prefix: prefix, cursor: cursor, limit: try parameters.limit(), values: try parameters.values(),
                timeout: try parameters.timeout()))
    }

    /// The condition on a change that `If-Match` makes.
    private func change(_ fields: RequestFields) throws(HTTPFailure) -> Condition {
        guard let text = fields.ifMatch else { return .always }
        switch EntityTags(text) {
        case .any: return .ifPresent
        case .list(let tags) where tags.count == 1:
            guard !tags[0].isWeak else {
                throw .bad(
                    "bad_etag", "If-Match needs a strong ETag, without W/; read the key without a proxy in between")
            }
            guard let version = tags[0].version else { throw Self.badTag("If-Match") }
            return .ifVersion(version)
        case .list: throw .bad("bad_etag", "If-Match takes one ETag, or *")
        case nil: throw Self.badTag("If-Match")
        }
    }

    private func contentType(_ fields: RequestFields) throws(HTTPFailure) -> String {
        guard let text = fields.contentType else { return "" }
        guard text.utf8.count <= Record.maximumContentType, isMediaType(text) else {
            throw .bad(
                "bad_content_type",
                "Content-Type must be TYPE/SUBTYPE, as in text/plain, in at most \(Record.maximumContentType) bytes of ASCII"
            )
        }
        return text
    }

    private static func badTag(_ header: StaticString) -> HTTPFailure {
        .bad("bad_etag", "\(header) must be an ETag as this store gives it, quotes included, as in \"12.1.345\", or *")
    }
}

/// Whether the text is `token/token`, perhaps with parameters, in printable ASCII, so that it may be sent as a header.
func isMediaType(_ text: String) -> Bool {
    var slash: Int?
    var index = 0
    var inParameters = false
    for byte in text.utf8 {
        guard (0x20...0x7e).contains(byte) else { return false }
        if !inParameters {
            switch byte {
            case UInt8(ascii: "/"):
                guard slash == nil, index > 0 else { return false }
                slash = index
            case UInt8(ascii: ";"), UInt8(ascii: " "):
                guard let slash, index > slash + 1 else { return false }
                inParameters = true
            default:
                guard isTokenByte(byte) else { return false }
            }
        }
        index += 1
    }
    guard let slash else { return false }
    return index > slash + 1
}

private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
