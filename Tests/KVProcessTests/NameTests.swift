import Foundation
import KVCore
import XCTest

/// Tests nodes that look up names while the name servers do not answer.
final class NameTests: XCTestCase {
    /// Looking up anything but a numeric address hangs, and says so by a file for each.
    private static let shim = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <netdb.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <unistd.h>

        typedef int (*lookup)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

        int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
            if (host != NULL && strncmp(host, "hangs-", 6) == 0) {
                char path[512];
                snprintf(path, sizeof path, "%s/%s", getenv("KV_TEST_NAMES"), host);
                close(open(path, O_CREAT | O_WRONLY, 0600));
                for (;;) pause();
            }
            lookup next = (lookup)dlsym(RTLD_NEXT, "getaddrinfo");
            return next(host, port, hints, found);
        }
        """

    func testNamesThatHangDoNotHoldUpReads() throws {
        // Each key has one replica, so those that n1 leads need nobody else. More than half of the first members run,
        // as they have to for a cluster to begin; the others are as many as all threads that read.
        let cluster = try TestCluster(nodes: 9, partitions: 64, replicas: 1)
        var text = try String(contentsOf: cluster.file, encoding: .utf8)
        for id in ["n6", "n7", "n8", "n9"] {
            let peer = try cluster.node(id).peer
            text = text.replacingOccurrences(of: "peer: \"\(peer)\"", with: "peer: \"hangs-\(id):\(peer.port)\"")
        }
        try text.write(to: cluster.file, atomically: true, encoding: .utf8)
        let names = cluster.directory.path + "/names"
        try FileManager.default.createDirectory(atPath: names, withIntermediateDirectories: true)
        let library = try PreloadedLibrary(Self.shim, named: "names", in: cluster)
        cluster.launcher = { $0.id == "n1" ? library.launcher(["KV_TEST_NAMES": names]) : [] }
        try cluster.start("n1", "n2", "n3", "n4", "n5")

        // Beyond what is read by an event loop, if it is in the system's memory.
        let value = [UInt8](repeating: 7, count: 600_000)
        var key = ""
        try cluster.wait(for: "n1 to take a write") {
            guard let led = try? cluster.keys(ledBy: "n1", count: 1) else { return false }
            key = led[0]
            return try cluster.http("n1", "PUT", "/v1/kv/\(key)?timeout=100ms", body: value).status == 204
        }
        try cluster.wait(for: "every thread that looks names up to hang") {
            try FileManager.default.contentsOfDirectory(atPath: names).count >= 2
        }
        // Were they threads that read as well, all of those would hang by now.
        Thread.sleep(forTimeInterval: 0.5)
        let answer = try cluster.http("n1", "GET", "/v1/kv/\(key)?timeout=2s")
        XCTAssertEqual(answer.status, 200)
        XCTAssertTrue(answer.body == value)
        // Nor does its end wait for them.
        let onset = Time.now
        XCTAssertEqual(try cluster.stop("n1"), .exited(0))
        XCTAssertLessThan(Time.now - onset, 10)
    }

    /// A name that starts with "moves-" stands for what a file of that name says.
    private static let movingShim = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <netdb.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>

        typedef int (*lookup)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

        int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **found) {
            char path[512], address[64] = "";
            if (host != NULL && strncmp(host, "moves-", 6) == 0) {
                snprintf(path, sizeof path, "%s/%s", getenv("KV_TEST_NAMES"), host);
                FILE *file = fopen(path, "r");
                if (file == NULL) return EAI_NONAME;
                if (fscanf(file, "%63s", address) != 1) address[0] = 0;
                fclose(file);
                host = address;
            }
            lookup next = (lookup)dlsym(RTLD_NEXT, "getaddrinfo");
            return next(host, port, hints, found);
        }
        """

    func testANameThatMovesIsFollowedWithinSeconds() throws {
        let cluster = try TestCluster(settings: "failure: {probe_interval: 100ms}\n")
        let names = cluster.directory.path + "/names"
        try FileManager.default.createDirectory(atPath: names, withIntermediateDirectories: true)
        func point(to address: String) throws {
            try address.write(toFile: names + "/moves-n3", atomically: true, encoding: .utf8)
        }
        try point(to: "127.0.0.1")
        let peer = try cluster.node("n3").peer
        let text = try String(contentsOf: cluster.file, encoding: .utf8)
            .replacingOccurrences(of: "peer: \"\(peer)\"", with: "peer: \"moves-n3:\(peer.port)\"")
        try text.write(to: cluster.file, atomically: true, encoding: .utf8)
        let library = try PreloadedLibrary(Self.movingShim, named: "moving", in: cluster)
        cluster.launcher = { _ in library.launcher(["KV_TEST_NAMES": names]) }
        try cluster.startAndWait()

        func state() throws -> String? { try cluster.ring("n1").nodes.first { $0.id == "n3" }?.state }
        XCTAssertEqual(try state(), "alive")
        XCTAssertEqual(try cluster.stop("n3"), .exited(0))
        try cluster.wait(for: "n3 to be missed") { try state() != "alive" }
        // Its peers have looked its name up seconds ago, and would believe that for half a minute.
        try point(to: "127.0.0.2")
        try cluster.start("n3")
        try cluster.wait(limit: 10, for: "n3 to be found; n1's log:\n\(cluster.log("n1"))") { try state() == "alive" }
        try cluster.wait(limit: 10, for: "n3 to be ready; its log:\n\(cluster.log("n3"))") {
            (try? cluster.http("n3", "GET", "/health/ready").status) == 200
        }
        // Not only by what it says itself: what is sent to it reaches it.
        for _ in 0..<40 {
            Thread.sleep(forTimeInterval: 0.1)
            XCTAssertEqual(try state(), "alive")
        }
    }
}
