import KVCore

/// A read that would have blocked the event loop. Run it on a storage thread and give its result to
/// `LogStore.completed`.
package struct ReadJob: Sendable {
    package let ticket: ReadTicket
    let file: any File
    let path: String
    let location: Location
    let length: Int

    /// Blocks.
    package func run() -> ReadResult {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length, alignment: 8)
        defer { buffer.deallocate() }
        do {
            let count = try file.read(into: buffer, at: UInt64(location.offset))
            guard count == length, let view = RecordView(UnsafeRawBufferPointer(buffer), at: 0, verify: true),
                view.length == length
            else {
                let error = StoreError.damaged(
                    file: path, offset: UInt64(location.offset), detail: "a record's checksum does not match")
                return ReadResult(ticket: ticket, outcome: .failure(error))
            }
            return ReadResult(ticket: ticket, outcome: .success(view.record()))
        } catch {
            return ReadResult(ticket: ticket, outcome: .failure(.reading(error, path, UInt64(location.offset))))
        }
    }
}

package struct ReadResult: Sendable {
    let ticket: ReadTicket
    let outcome: Result<Record, StoreError>
}

/// A read that has completed, to be given to the machine.
package struct LoadedRead: Sendable {
    package let ticket: ReadTicket
    package let value: LoadedValue
}
