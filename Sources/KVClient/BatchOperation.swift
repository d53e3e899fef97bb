import KVModel

/// One operation of a batch.
public enum BatchOperation: Hashable, Sendable {
    case get(Key, consistency: Consistency = .linearizable)
    case put(Key, [UInt8], contentType: String = "", lifetime: Duration? = nil, condition: Condition = .always)
    case delete(Key, condition: Condition = .always)
}

/// The result of one operation of a batch.
public enum BatchOutcome: Hashable, Sendable {
    /// The value that a `get` found; nil if there is no such key.
    case value(StoredValue?)
    /// The version that a `put` gave the key.
    case written(Version)
    /// Whether there was a key for a `delete` to remove.
    case deleted(Bool)
}

extension KVClient {
    /// Gets many keys at once.
    /// - Parameter timeout: as for `batch`.
    /// - Returns: the value of each key, nil for one that there is not, or why it could not be read.
    public func getMany(
        _ keys: some Sequence<Key>, consistency: Consistency = .linearizable, timeout: Duration? = nil
    ) async -> [Key: Result<StoredValue?, KVError>] {
        let keys = Array(Set(keys))
        let results = await batch(keys.map { .get($0, consistency: consistency) }, timeout: timeout)
        var values: [Key: Result<StoredValue?, KVError>] = [:]
        for (key, result) in zip(keys, results) {
            values[key] = result.map { outcome in if case .value(let value) = outcome { value } else { nil } }
        }
        return values
    }

    /// The number of operations of one batch that are under way at a time, at most.
    static let batchWidth = 256

    /// Executes many operations at once, each as if it had been called by itself.
    ///
    /// **Not atomic:** some operations may be done and others not, in any order, and other clients may see states in
    /// between. Two operations of one batch on the same key are executed in either order.
    ///
    /// - Parameter timeout: for each operation, from its beginning: at most 256 are under way at a time. The client's
    ///   if nil.
    /// - Returns: the result of each, in the order of `operations`. Those that the cancelling of the task has ended
    ///   fail with the code `cancelled`.
    public func batch(
        _ operations: [BatchOperation], timeout: Duration? = nil
    ) async -> [Result<BatchOutcome, KVError>] {
        var results = [Result<BatchOutcome, KVError>](
            repeating: .failure(Self.notSent), count: operations.count)
        await withTaskGroup(of: (Int, Result<BatchOutcome, KVError>).self) { group in
            for (index, operation) in operations.enumerated() {
                if index >= Self.batchWidth, let (done, result) = await group.next() { results[done] = result }
                group.addTask { (index, await self.result(of: operation, timeout)) }
            }
            for await (done, result) in group { results[done] = result }
        }
        return results
    }

    private func result(
        of operation: BatchOperation, _ timeout: Duration?
    ) async -> Result<BatchOutcome, KVError> {
        do {
            switch operation {
            case .get(let key, let consistency):
                return .success(.value(try await get(key, consistency: consistency, timeout: timeout)))
            case .put(let key, let value, let contentType, let lifetime, let condition):
                let version = try await put(
                    key, value, contentType: contentType, lifetime: lifetime, condition: condition, timeout: timeout)
                return .success(.written(version))
            case .delete(let key, let condition):
                return .success(.deleted(try await delete(key, condition: condition, timeout: timeout)))
            }
        } catch let error as KVError {
            return .failure(error)
        } catch {
            return .failure(Self.notSent)
        }
    }

    private static let notSent = KVError(.cancelled, "nothing was changed: the task was cancelled")
}
