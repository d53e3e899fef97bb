import Glibc
import KVConfig
import KVCore
import Foundation
import XCTest

@testable import KVNode

/// A temporary folder for a data directory. It is removed with the fixture.
final class DirectoryFixture {
    let path: String

    init() throws {
        var template = Array("/tmp/kv-node-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw POSIXError(.EIO) }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// The configuration of `kv serve` with these flags and, unless nil, this `cluster.yaml`.
    func configuration(_ yaml: String? = nil, change: (inout Configuration.Flags) -> Void = { _ in }) throws
        -> Configuration
    {
        var flags = Configuration.Flags(dataDirectory: path + "/data")
        if let yaml {
            flags.config = path + "/cluster.yaml"
            try yaml.write(toFile: path + "/cluster.yaml", atomically: true, encoding: .utf8)
        }
        change(&flags)
        return try Configuration.load(flags: flags, environment: [:])
    }
}
