import Foundation
import XCTest

/// A library that is loaded before the C library's own, so that a test decides what a call of it does.
struct PreloadedLibrary: Sendable {
    private let path: String

    /// - Throws: `XCTSkip` where there is no C compiler.
    init(_ source: String, named name: String, in cluster: TestCluster) throws {
        let base = cluster.directory.path + "/" + name
        try source.write(toFile: base + ".c", atomically: true, encoding: .utf8)
        let compiler = ["/usr/bin/cc", "/usr/bin/gcc", "/usr/bin/clang"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
        guard let compiler else { throw XCTSkip("there is no C compiler") }
        let command = [compiler, "-shared", "-fPIC", "-o", base + ".so", base + ".c"]
        let built = try cluster.run(command.map { Array($0.utf8) }, ["PATH": "/usr/bin:/bin"])
        XCTAssertEqual(built.status, 0, built.errors)
        path = base + ".so"
    }

    /// What a node is started with to use it.
    func launcher(_ environment: [String: String]) -> [String] {
        ["/usr/bin/env", "LD_PRELOAD=\(path)"] + environment.map { "\($0.key)=\($0.value)" }
    }
}
