/// One look at how full the volume is. To be run on a storage thread; its result goes to `LogStore.completed`.
package struct SpaceJob: Sendable {
    let fileSystem: any FileSystem
    let directory: String
    /// What had been written since the measurement before, when this one was begun.
    let writtenBefore: UInt64

    /// Blocks.
    package func run() -> SpaceResult {
        SpaceResult(space: try? fileSystem.space(directory), writtenBefore: writtenBefore)
    }
}

package struct SpaceResult: Sendable {
    /// Nil where the volume did not say.
    let space: VolumeSpace?
    let writtenBefore: UInt64
}
