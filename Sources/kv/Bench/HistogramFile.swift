import Histogram
import KVBench

/// The files of `--histogram`.
enum HistogramFile {
    /// Writes all latencies to a file. If there are several kinds of operations, also writes those of each kind to a
    /// file beside it: `load.hgrm` and `load.read.hgrm`.
    static func write(_ result: BenchResult, to path: RawArgument) throws {
        try write(result.allLatencies, path.bytes)
        guard result.kinds.count > 1 else { return }
        for kind in result.kinds { try write(result.latencies(of: kind), sibling(of: path.bytes, kind.name)) }
    }

    /// The path of the file for the latencies of one kind.
    static func sibling(of path: [UInt8], _ name: String) -> [UInt8] {
        let file = (path.lastIndex(of: UInt8(ascii: "/")) ?? -1) + 1
        guard let dot = path.lastIndex(of: UInt8(ascii: ".")), dot > file else { return path + Array(".\(name)".utf8) }
        return path[..<dot] + Array(".\(name)".utf8) + path[dot...]
    }

    private static func write(_ histogram: Histogram<UInt64>, _ path: [UInt8]) throws {
        var text = ""
        histogram.outputPercentileDistribution(to: &text, outputValueUnitScalingRatio: 1e6)
        try TextFile.write(text, to: path, next: "the run itself is complete")
    }
}
