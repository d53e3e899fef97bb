import KVCore

/// The parameters after the `?`, each known to its target and given at most once.
struct QueryParameters {
    enum Name: CaseIterable {
        case consistency, timeout, ttl, prefix, cursor, limit, values, key, over
        case weight, zone, replace, force, dryRun, partitions

        var text: StaticString {
            switch self {
            case .consistency: "consistency"
            case .timeout: "timeout"
            case .ttl: "ttl"
            case .prefix: "prefix"
            case .cursor: "cursor"
            case .limit: "limit"
            case .values: "values"
            case .key: "key"
            case .over: "over"
            case .weight: "weight"
            case .zone: "zone"
            case .replace: "replace"
            case .force: "force"
            case .dryRun: "dry_run"
            case .partitions: "partitions"
            }
        }
    }

    private var given: [(name: Name, value: [UInt8])] = []

    init() {}

    init(_ text: TargetBytes, allowed: [Name]) throws(HTTPFailure) {
        var start = 0
        while start < text.count {
            var end = start
            while end < text.count, text[end] != UInt8(ascii: "&") { end += 1 }
            if end > start { try add(text.part(start..<end), allowed: allowed) }
            start = end + 1
        }
    }

    private mutating func add(_ pair: TargetBytes, allowed: [Name]) throws(HTTPFailure) {
        let equals = pair.firstIndex(of: UInt8(ascii: "="))
        let text = pair.part(0..<(equals ?? pair.count))
        guard let name = allowed.first(where: { text == $0.text }) else {
            let shown = String(decoding: text.prefix(32), as: UTF8.self)
            let known = allowed.map { "\($0.text)" }.joined(separator: ", ")
            throw .bad(
                "unknown_parameter",
                "this request has no parameter '\(shown)'; "
                    + (known.isEmpty ? "it has none" : "it has \(known)"))
        }
        guard self[name] == nil else {
            throw .bad("duplicate_parameter", "the parameter '\(name.text)' is given twice; give it once")
        }
        guard let equals else {
            throw .bad("bad_parameter", "the parameter '\(name.text)' has no value; write \(name.text)=VALUE")
        }
        given.append((name, try percentDecoded(pair.part(equals + 1..<pair.count), plus: false)))
    }

    subscript(name: Name) -> [UInt8]? { given.first { $0.name == name }?.value }

    /// `timeout` and `consistency`, or their defaults.
    func options() throws(HTTPFailure) -> RequestOptions {
        guard !given.isEmpty else { return RequestOptions() }
        var options = RequestOptions()
        options.timeout = try timeout()
        switch self[.consistency].map({ String(decoding: $0, as: UTF8.self) }) {
        case nil, "linearizable": break
        case "stale": options.consistency = .stale
        default:
            throw .bad("bad_consistency", "consistency is 'linearizable', which is the default, or 'stale'")
        }
        return options
    }

    func timeout() throws(HTTPFailure) -> Nanoseconds {
        guard let text = self[.timeout] else { return RequestOptions.defaultTimeout }
        let longest = RequestOptions.maximumTimeout
        guard let count = milliseconds(ofDuration: text), count <= longest.milliseconds else {
            throw .bad(
                "bad_timeout",
                "timeout is a whole number with a unit (ms s m h d), as in 500ms, above 0 and at most "
                    + "\(longest.milliseconds / 1000)s")
        }
        return .milliseconds(count)
    }

    /// The time over which a node counts what it serves.
    func over() throws(HTTPFailure) -> Nanoseconds {
        guard let text = self[.over] else { return NodeLoad.defaultSpan }
        guard let span = milliseconds(ofDuration: text).map(Nanoseconds.milliseconds), NodeLoad.spans.contains(span)
        else {
            throw .bad(
                "bad_over",
                "over is a whole number with a unit (ms s m h d), as in 500ms, from "
                    + "\(NodeLoad.spans.lowerBound.milliseconds)ms to \(NodeLoad.spans.upperBound.milliseconds / 1000)s"
            )
        }
        return span
    }

    func lifetime() throws(HTTPFailure) -> Lifetime {
        guard let text = self[.ttl] else { return .unlimited }
        guard let count = milliseconds(ofDuration: text) else {
            throw .bad("bad_ttl", "ttl is a whole number above 0 with a unit (ms s m h d), as in 30s")
        }
        return .milliseconds(count)
    }

    func limit() throws(HTTPFailure) -> Int {
        guard let text = self[.limit] else { return 100 }
        guard let count = Self.number(text), (1...ListQuery.maximumLimit).contains(count) else {
            throw .bad("bad_limit", "limit is a whole number from 1 to \(ListQuery.maximumLimit)")
        }
        return count
    }

    func values() throws(HTTPFailure) -> Bool { try flag(.values, "bad_values") }

    /// The value of a flag; false if it is not given.
    func flag(_ name: Name, _ code: StaticString = "bad_parameter") throws(HTTPFailure) -> Bool {
        switch text(name) {
        case nil, "false": false
        case "true": true
        default: throw .bad(code, "\(name.text) is 'true' or 'false'")
        }
    }

    /// The number of partitions that is asked for; nil if none is.
    func partitions() throws(HTTPFailure) -> Int? {
        guard let text = self[.partitions] else { return nil }
        return try ChangeRequest.partitions(Self.number(text))
    }

    /// A whole number without a sign; nil if the text is none.
    private static func number(_ text: [UInt8]) -> Int? {
        guard text.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int(String(decoding: text, as: UTF8.self))
    }

    func text(_ name: Name) -> String? { self[name].map { String(decoding: $0, as: UTF8.self) } }

    /// Whether there is any but `timeout`.
    var hasOthersThanTimeout: Bool { given.contains { $0.name != .timeout } }

    /// The node that is to join, as the parameters describe it.
    func join(_ id: String) throws(HTTPFailure) -> MembershipChange.Join {
        var join = MembershipChange.Join(id: id)
        if let weight = self[.weight] { join.weight = try NodeField.weight(Self.number(weight)) }
        if let zone = text(.zone) { join.zone = try NodeField.zone(zone) }
        if let replaced = text(.replace) { join.replaces = try NodeField.id(replaced, "replace") }
        return join
    }
}
