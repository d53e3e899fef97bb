import KVModel

extension KVClient {
    /// Keys of a page at most.
    public static let maximumPageSize = ListQuery.maximumLimit

    /// One page of the keys that begin with `prefix`.
    /// - Parameters:
    ///   - cursor: what the page before gave, with the same `prefix`; nil for the first page.
    ///   - limit: keys at most, `1 ... maximumPageSize`; brought into that range. There may be fewer, even none, with
    ///     more to come.
    ///   - values: whether to get the values and versions too.
    ///   - timeout: for this page, as for `get`.
    /// - Throws: what `get` throws.
    public func page(
        prefix: [UInt8] = [], cursor: String? = nil, limit: Int = 100, values: Bool = false, timeout: Duration? = nil
    ) async throws(KVClientError) -> KeyPage {
        var parameters = "prefix=\(percentEncoded(prefix))&limit=\(min(max(limit, 1), Self.maximumPageSize))"
        if let cursor { parameters += "&cursor=\(percentEncoded(Array(cursor.utf8)))" }
        if values { parameters += "&values=true" }
        let request = Request(.get, path: "/v1/kv", parameters: parameters)
        let answer = try await dispatcher.perform(request, timeout: timeout)
        guard answer.status == 200 else { throw answer.failure(of: request) }
        guard let page = answer.decoded(as: KeyPage.self) else { throw answer.notUnderstood(request) }
        return page
    }

    /// All keys that begin with `prefix`, page by page as they are asked for.
    ///
    /// They come in the ring's order, which is not that of their bytes. Keys that are there throughout come exactly
    /// once; others may or may not.
    /// - Parameters:
    ///   - values: whether to get the values and versions too.
    ///   - pageSize: keys of a page at most, `1 ... maximumPageSize`; brought into that range.
    ///   - timeout: for each page, as for `get`.
    public func scan(
        prefix: [UInt8] = [], values: Bool = false, pageSize: Int = 100, timeout: Duration? = nil
    ) -> KeyScan {
        KeyScan(client: self, prefix: prefix, values: values, pageSize: pageSize, timeout: timeout)
    }

    /// All keys that begin with the UTF-8 of `prefix`.
    public func scan(
        prefix: String, values: Bool = false, pageSize: Int = 100, timeout: Duration? = nil
    ) -> KeyScan {
        scan(prefix: Array(prefix.utf8), values: values, pageSize: pageSize, timeout: timeout)
    }
}

/// The keys of a listing, asked for while one goes through them: `KVClient.scan`.
public struct KeyScan: AsyncSequence, Sendable {
    public typealias Element = KeyEntry
    public typealias Failure = KVClientError

    let client: KVClient
    let prefix: [UInt8]
    let values: Bool
    let pageSize: Int
    let timeout: Duration?

    public func makeAsyncIterator() -> Iterator { Iterator(scan: self) }

    public struct Iterator: AsyncIteratorProtocol {
        let scan: KeyScan
        private var entries: ArraySlice<KeyEntry> = []
        private var cursor: String?
        private var isAtEnd = false

        init(scan: KeyScan) { self.scan = scan }

        public mutating func next() async throws(KVClientError) -> KeyEntry? {
            try await next(isolation: nil)
        }

        /// After a failure, the next call asks for the same page again.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws(KVClientError) -> KeyEntry? {
            while true {
                if let entry = entries.popFirst() { return entry }
                if isAtEnd { return nil }
                let page = try await scan.client.page(
                    prefix: scan.prefix, cursor: cursor, limit: scan.pageSize, values: scan.values,
                    timeout: scan.timeout)
                entries = page.entries[...]
                cursor = page.cursor
                isAtEnd = page.cursor == nil
            }
        }
    }
}
