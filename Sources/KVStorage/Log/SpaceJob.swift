/// A measurement of the volume's free space. Run it on a storage thread and give its result to `LogStore.completed`.
package struct SpaceJob: Sendable {
    let fileSystem: any FileSystem
    let directory: String
    /// The bytes written between the previous measurement and the start of this one.
    let writtenBefore: UInt64

    /// Blocks.
    package func run() -> SpaceResult {
        SpaceResult(space: try? fileSystem.space(directory), writtenBefore: writtenBefore)
    }
}

package struct SpaceResult: Sendable {
    /// Nil when the measurement failed.
    let space: VolumeSpace?
    let writtenBefore: UInt64
}
