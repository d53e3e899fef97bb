import Foundation
import XCTest

/// A library that is loaded before the C library, so that a test can replace functions of the C library.
struct PreloadedLibrary: Sendable {
    private let path: String

    /// - Throws: `XCTSkip` if there is no C compiler.
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

    /// The beginning of a command that runs with the library.
    func launcher(_ environment: [String: String]) -> [String] {
        ["/usr/bin/env", "LD_PRELOAD=\(path)"] + environment.map { "\($0.key)=\($0.value)" }
    }
}
