import KVCore
import XCTest

/// Tests small disks that fill up. Needs root, to mount them.
final class FullDiskTests: XCTestCase {
    /// Mounts a tmpfs of so many MiB for a node's data; unmounted when the test has ended.
    private func mount(_ size: Int, for id: String, of cluster: TestCluster) throws {
        guard geteuid() == 0 else { throw XCTSkip("only root may mount a small disk") }
        let path = cluster.data(id)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        guard Glibc.mount("kv-test", path, "tmpfs", 0, "size=\(size)m") == 0 else {
            throw XCTSkip("a tmpfs cannot be mounted here: \(String(cString: strerror(errno)))")
        }
        let directory = cluster.directory
        addTeardownBlock {
            umount2(path, Int32(MNT_DETACH))
            // The cluster could not remove it while the disk was mounted; of several, the last one can.
            try? FileManager.default.removeItem(at: directory)
        }
    }

    private let value = [UInt8](repeating: 0x5a, count: 200_000)

    /// Puts until a put is not done; the keys that are there, and what came last.
    private func fill(
        _ cluster: TestCluster, _ id: String, _ names: [String] = (0..<2000).map { "fill-\($0)" }
    ) throws -> (keys: [String], last: RawConnection.Answer) {
        let connection = try cluster.connect(id)
        for (count, name) in names.enumerated() {
            let answer = try connection.request("PUT", "/v1/kv/\(name)?timeout=500ms", body: value)
            guard answer.status == 204 else { return (Array(names.prefix(count)), answer) }
        }
        throw Unexpected("\(names.count) values of \(value.count) bytes fit on a small disk")
    }

    private func assertFull(_ answer: RawConnection.Answer) {
        XCTAssertEqual(answer.status, 503, answer.text)
        XCTAssertEqual(answer.error, "disk_full")
        XCTAssertTrue(answer.message.contains("nothing was changed"), answer.message)
        XCTAssertNotNil(answer.headers["retry-after"])
    }

    func testWritesAreRefusedBeforeTheDiskIsFull() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {segment: 4MiB}\n")
        try mount(64, for: "n1", of: cluster)
        try cluster.startAndWait()
        let (keys, refusal) = try fill(cluster, "n1")
        assertFull(refusal)
        XCTAssertGreaterThan(keys.count, 100, "most of the disk can be used")
        let put = try cluster.kv("put", "small", "x")
        XCTAssertEqual(put.status, 69, put.errors)
        XCTAssertTrue(put.errors.contains("disk"), put.errors)
        var space = statvfs()
        XCTAssertEqual(statvfs(cluster.data("n1"), &space), 0)
        XCTAssertGreaterThan(space.f_bavail, 0, "the disk is not full")

        for key in keys { XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(key)").body == value, key) }
        for key in keys.prefix(keys.count - 5) {
            XCTAssertEqual(try cluster.http("n1", "DELETE", "/v1/kv/\(key)").status, 204, key)
        }
        // Merging makes room after the deletions.
        try cluster.wait(for: "room to be made; its log:\n\(cluster.log("n1"))") {
            try cluster.http("n1", "PUT", "/v1/kv/again", body: value).status == 204
        }
        cluster.killNow()
        try cluster.startAndWait()
        for key in keys.suffix(5) { XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(key)").body == value, key) }
        XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/again").body == value)
        XCTAssertEqual(try cluster.http("n1", "GET", "/v1/kv/\(keys[0])").status, 404)
    }

    /// The disk is full of data that is not the node's, so the node has no room to start, and says so.
    func testAStartOnAFullDiskSaysSo() throws {
        let cluster = try TestCluster(nodes: 1, replicas: 1, settings: "storage: {segment: 4MiB}\n")
        try mount(64, for: "n1", of: cluster)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("put", "kept", "value").status, 0)
        cluster.killNow()
        let ballast = cluster.data("n1") + "/ballast"
        let file = open(ballast, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        XCTAssertGreaterThanOrEqual(file, 0)
        let block = [UInt8](repeating: 1, count: 4096)
        var written = 0
        while write(file, block, block.count) == block.count { written += block.count }
        XCTAssertLessThan(written, 64 << 20)
        close(file)

        let failed = try cluster.serve("n1")
        XCTAssertEqual(failed.status, 69, failed.errors)
        XCTAssertTrue(failed.errors.contains("the disk is full"), failed.errors)
        XCTAssertTrue(failed.errors.contains("Make room"), failed.errors)

        unlink(ballast)
        try cluster.startAndWait()
        XCTAssertEqual(try cluster.kv("get", "kept").text, "value")
    }

    /// One node's disk is smaller than the others'.
    func testOneOfThreeIsFull() throws {
        let cluster = try TestCluster(settings: "storage: {segment: 4MiB}\n")
        try mount(32, for: "n1", of: cluster)
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        let (keys, refusal) = try fill(cluster, "n2")
        assertFull(refusal)
        // Its copies of what others lead end where its disk does; the others hold a majority of them.
        let mine = try cluster.keys(ledBy: "n2", count: 3, prefix: "after-")
        for key in mine {
            XCTAssertEqual(try cluster.http("n3", "PUT", "/v1/kv/\(key)", body: value).status, 204)
            XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(key)").body == value)
        }
        for key in keys { XCTAssertTrue(try cluster.http("n1", "GET", "/v1/kv/\(key)").body == value, key) }
        for key in keys.prefix(20) {
            XCTAssertEqual(try cluster.http("n3", "DELETE", "/v1/kv/\(key)").status, 204, key)
        }
        for id in ["n1", "n2", "n3"] { XCTAssertTrue(cluster.isRunning(id), cluster.log(id)) }
    }

    /// Disks of one size fill up together: every write is done or refused, and none is left without a majority.
    func testAllFillTogether() throws {
        let cluster = try TestCluster(settings: "storage: {segment: 4MiB}\n")
        for node in cluster.nodes { try mount(32, for: node.id, of: cluster) }
        try cluster.startAndWait()
        try cluster.waitUntilBalanced()
        var (keys, last) = try fill(cluster, "n3")
        assertFull(last)
        let connections = try cluster.nodes.map { try cluster.connect($0.id) }
        for number in 0..<60 {
            let answer = try connections[number % 3].request("PUT", "/v1/kv/more-\(number)", body: value)
            if answer.status == 204 { keys.append("more-\(number)") } else { assertFull(answer) }
        }
        for key in keys { XCTAssertTrue(try connections[0].request("GET", "/v1/kv/\(key)").body == value, key) }
        for number in 0..<60 where !keys.contains("more-\(number)") {
            XCTAssertEqual(try connections[1].request("GET", "/v1/kv/more-\(number)").status, 404)
        }
        for key in keys { XCTAssertEqual(try connections[2].request("DELETE", "/v1/kv/\(key)").status, 204, key) }
        // Who was full before the others has given them its leaderships, and gets them back now.
        try cluster.wait(for: "room to be made") {
            try ["n1", "n2", "n3"].allSatisfy { id in
                guard let own = try cluster.atMost(1, keysLedBy: id, prefix: "again-").first else { return false }
                return try cluster.http(id, "PUT", "/v1/kv/\(own)", body: value).status == 204
            }
        }
    }
}
