import KVCore

/// A small step of the store's maintenance: writing a sidecar, merging a segment, removing one. Run it on a storage
/// thread and give its result to `LogStore.completed`.
package struct MaintenanceJob: Sendable {
    enum Task: Sendable {
        case merge(SegmentCursor)
        case index(SidecarWriter)
        case empty(RecordsJob, next: Emptying?)
        case remove(SegmentRemoval)
        /// Ends the newest segment. There is nothing to do on a storage thread.
        case seal
    }

    let task: Task

    /// Blocks.
    package func run() -> MaintenanceResult {
        do throws(StoreError) {
            switch task {
            case .merge(let cursor): return MaintenanceResult(outcome: .merged(try cursor.records()))
            case .index(let writer): return MaintenanceResult(outcome: .indexed(try writer.step()))
            case .empty(let job, let next):
                return MaintenanceResult(outcome: .emptied(job, try job.run(), next: next))
            case .remove(let removal):
                try removal.run()
                return MaintenanceResult(outcome: .removed)
            case .seal: return MaintenanceResult(outcome: .sealing)
            }
        } catch {
            return MaintenanceResult(outcome: .failed(error))
        }
    }
}

package struct MaintenanceResult: Sendable {
    enum Outcome: Sendable {
        case merged(SegmentCursor.Progress)
        /// The writer to go on with; nil when the sidecar is complete.
        case indexed(SidecarWriter?)
        /// The bytes of each record, and where to go on.
        case emptied(RecordsJob, [[UInt8]?], next: Emptying?)
        case removed
        /// The next batch may begin a segment.
        case sealing
        case failed(StoreError)
    }

    let outcome: Outcome
}
