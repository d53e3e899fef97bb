import KVModel
import KVProtocol

extension KVClient {
    /// The number of keys of a page at most.
    public static let maximumPageSize = ListQuery.maximumLimit

    /// Returns one page of the keys that begin with `prefix`.
    /// - Parameters:
    ///   - cursor: the cursor of the page before, which had the same `prefix`; nil for the first page.
    ///   - limit: the number of keys at most; brought into `1 ... maximumPageSize`. A page may have fewer, even none,
    ///     though more pages follow.
    ///   - values: whether to get the values and versions too.
    ///   - timeout: for this page, as for `get`.
    /// - Throws: what `get` throws.
    public func page(
        prefix: [UInt8] = [], cursor: String? = nil, limit: Int = 100, values: Bool = false, timeout: Duration? = nil
    ) async throws -> KeyPage {
        let page = ListPage(
            cursor: Array((cursor ?? "").utf8), limit: min(max(limit, 1), Self.maximumPageSize), values: values)
        // A longer prefix than a key can be is that of no key.
        guard prefix.count <= Key.maximumBytes else { return KeyPage(entries: [], cursor: nil) }
        let request = Request(Key(prefix), .list(page))
        let answer = try await dispatcher.perform(request, timeout: timeout)
        guard case .operation(.page(let found)) = answer.content else { throw answer.failure(of: request) }
        return KeyPage(found)
    }

    /// Lists all keys that begin with `prefix`, and fetches each page when it is needed.
    ///
    /// The keys come in the ring's order, which is not the order of their bytes. A key that exists during the whole
    /// listing comes exactly once; one that is added or removed meanwhile may come or not.
    /// - Parameters:
    ///   - values: whether to get the values and versions too.
    ///   - pageSize: the number of keys of a page at most; brought into `1 ... maximumPageSize`.
    ///   - timeout: for each page, as for `get`.
    public func scan(
        prefix: [UInt8] = [], values: Bool = false, pageSize: Int = 100, timeout: Duration? = nil
    ) -> KeyScan {
        KeyScan(client: self, prefix: prefix, values: values, pageSize: pageSize, timeout: timeout)
    }

    /// Lists all keys that begin with the UTF-8 of `prefix`.
    public func scan(
        prefix: String, values: Bool = false, pageSize: Int = 100, timeout: Duration? = nil
    ) -> KeyScan {
        scan(prefix: Array(prefix.utf8), values: values, pageSize: pageSize, timeout: timeout)
    }
}

/// The keys of a listing (`KVClient.scan`). Iterating fetches them page by page.
public struct KeyScan: AsyncSequence, Sendable {
    public typealias Element = KeyEntry
    public typealias Failure = any Error

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

        public mutating func next() async throws -> KeyEntry? {
            try await next(isolation: nil)
        }

        /// After a failure, the next call asks for the same page again.
        public mutating func next(
            isolation actor: isolated (any Actor)?
        ) async throws -> KeyEntry? {
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
