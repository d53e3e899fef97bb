import KVFakes
import XCTest

/// `kv ring --split` against nodes that answer as a script says.
final class SplitCommandTests: XCTestCase {
    private func ok(_ body: String) -> FakeNode.Reply { .status(200, [:], body) }
    private func plan(_ plan: String?) -> FakeNode.Reply { ok("{\"plan\":\(plan ?? "null")}") }
    private func split(_ partitions: Int, to splitTo: Int = 128) -> FakeNode.Reply {
        plan(MembershipFixtures.split(partitions: partitions, to: splitTo))
    }
    private func ring(_ partitions: Int, plan: String? = nil) -> FakeNode.Reply {
        ok(MembershipFixtures.ring([("n1", "alive", "active")], plan: plan, partitions: partitions, keys: 1001))
    }

    private let look = "GET /v1/ring"
    private let status = "GET /v1/plan"
    private let start = "POST /v1/ring/split"

    // MARK: A plan from beginning to end

    func testItShowsThePlanBeginsItAndWaits() async throws {
        let (run, requests) = try await runScripted(
            "kv ring --split 128 -y",
            [
                look: [ring(64), ring(128)], status: [plan(nil), split(96), plan(nil)], start: [split(64), split(64)],
            ])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(run.errors, "")
        let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        XCTAssertEqual(
            lines.dropLast(2).joined(separator: "\n"),
            """
            64 partitions now, 128 when it is done: they are split in two until there are so many
            nothing is copied and no replica moves: each node divides what it holds; nodes and clients go on meanwhile
            in a partition, on average: 1001 keys, 1001.0 KiB now, 501 keys, 500.5 KiB then
            what has been split cannot be joined again; 'kv ring --cancel' stops it there, and asking again goes on

            NODE    ZONE  WEIGHT  REPLICAS  AFTER  LEADERS  AFTER
            n1      a          1        64    128       64    128

            begun; it goes on if this command is interrupted, until it is done or 'kv ring --cancel' ends it
            64 of 128 partitions
            """)
        XCTAssertTrue(lines[lines.count - 2].hasPrefix("done after "), run.output)
        XCTAssertTrue(lines[lines.count - 2].hasSuffix(": there are 128 partitions"), run.output)
        XCTAssertEqual(
            requests.filter { $0.line.hasPrefix(start) }.map { $0.line.split(separator: "&").dropLast().joined() },
            [true, false].map { "POST /v1/ring/split?partitions=128dry_run=\($0)" })
    }

    func testJSONIsOneObjectALine() async throws {
        let (run, requests) = try await runScripted(
            "kv ring --split 128 -y -o json", [look: [ring(64), ring(128)], status: [plan(nil)], start: [split(64)]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(run.output, "{\"plan\":\(MembershipFixtures.split())}\n{\"plan\":null}\n")
        XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 1, "nothing is shown first")
        XCTAssertEqual(run.errors, "")
    }

    func testDryRunAndNoWait() async throws {
        let (dry, requests) = try await runScripted(
            "kv ring --split 128 --dry-run", [look: [ring(64)], start: [split(64)]])
        XCTAssertEqual(dry.status, 0, dry.errors)
        XCTAssertTrue(dry.output.hasPrefix("64 partitions now, 128 when it is done"), dry.output)
        XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 1)
        XCTAssertTrue(requests.last?.line.contains("dry_run=true") ?? false)
        let (run, _) = try await runScripted(
            "kv ring --split 128 -y --no-wait", [look: [ring(64)], status: [plan(nil)], start: [split(64)]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(
            run.output.hasSuffix(
                "\nbegun; 'kv ring --split 128' shows how far it is, and 'kv ring --watch' the whole\n"), run.output)
    }

    // MARK: Run again

    func testTheSamePlanUnderWayIsFollowed() async throws {
        // A plan that makes more partitions makes these as well.
        for wanted in [128, 256] {
            let (run, requests) = try await runScripted(
                "kv ring --split 128 -y",
                [look: [ring(64), ring(wanted)], status: [split(96, to: wanted), split(96, to: wanted), plan(nil)]])
            XCTAssertEqual(run.status, 0, run.errors)
            XCTAssertTrue(
                run.output.hasPrefix(
                    "under way already: partitions are split until there are \(wanted)\n96 of \(wanted) partitions\n"),
                run.output)
            XCTAssertFalse(requests.contains { $0.line.hasPrefix("POST") })
        }
    }

    func testAnotherPlanUnderWayIsLeftAlone() async throws {
        let wait = "wait for it to end ('kv ring --watch' shows it), or cancel it with"
        for (line, plan, message) in [
            ("kv ring --split 128", self.plan(MembershipFixtures.plan()), "(n4 joins); \(wait) 'kv join --cancel'"),
            (
                "kv ring --split 256", split(96),
                "(partitions are split until there are 128); \(wait) 'kv ring --cancel'"
            ),
            ("kv join n4", split(96), "(partitions are split until there are 128); \(wait) 'kv ring --cancel'"),
        ] {
            let (run, requests) = try await runScripted("\(line) -y", [look: [ring(64)], status: [plan]])
            XCTAssertEqual(run.status, 2)
            XCTAssertEqual(run.errors, "kv: nothing was changed: another plan is under way \(message)\n")
            XCTAssertFalse(requests.contains { $0.line.hasPrefix("POST") })
        }
    }

    func testAsManyAsThereAre() async throws {
        let (run, requests) = try await runScripted("kv ring --split 64 -y", [look: [ring(64)], status: [plan(nil)]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(run.output, "there are 64 partitions already\n")
        XCTAssertFalse(requests.contains { $0.line.hasPrefix("POST") })
    }

    func testRefusals() async throws {
        let reply = FakeNode.Reply.error(409, "impossible", "there are 64 partitions, and they can only become more")
        let (run, _) = try await runScripted(
            "kv ring --split 32 -y", [look: [ring(64)], status: [plan(nil)], start: [reply]])
        XCTAssertEqual(run.status, 2)
        XCTAssertEqual(run.errors, "kv: there are 64 partitions, and they can only become more\n")
        let (nobody, _) = try await runScripted(
            "kv ring --split 128", [look: [ring(64)], status: [plan(nil)], start: [split(64)]])
        XCTAssertEqual(nobody.status, 64)
        XCTAssertTrue(nobody.errors.hasPrefix("kv: there is no terminal to ask on, so nothing was done"), nobody.errors)
    }

    func testALostAnswerIsMadeGoodByThePlan() async throws {
        for lost in [FakeNode.Reply.close, .error(504, "outcome_unknown", "late"), .error(409, "plan_under_way", "no")]
        {
            let (run, requests) = try await runScripted(
                "kv ring --split 128 -y",
                [look: [ring(64), ring(128)], status: [plan(nil), split(64), plan(nil)], start: [split(64), lost]])
            XCTAssertEqual(run.status, 0, run.errors)
            XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 2, "it is not begun twice")
        }
    }

    // MARK: Orders

    func testPauseResumeAndCancel() async throws {
        let paused = MembershipFixtures.split(partitions: 96, paused: true)
        let (pause, _) = try await runScripted(
            "kv ring --pause", [status: [split(96)], look: [ring(96)], "POST /v1/plan/pause": [plan(paused)]])
        XCTAssertEqual(pause.status, 0, pause.errors)
        XCTAssertEqual(pause.output, "paused: 96 of 128 partitions, paused; 'kv ring --resume' goes on\n")
        let (resume, _) = try await runScripted(
            "kv ring --resume --no-wait",
            [status: [plan(paused)], look: [ring(96)], "POST /v1/plan/resume": [split(96)]])
        XCTAssertEqual(resume.output, "resumed: 96 of 128 partitions\n")
        let undoing = MembershipFixtures.split(partitions: 96, to: 96, cancelling: true)
        // Every door has the orders.
        for command in ["kv ring", "kv join", "kv leave"] {
            let (cancel, _) = try await runScripted(
                "\(command) --cancel",
                [
                    status: [split(96), plan(undoing), plan(nil)], look: [ring(96)],
                    "POST /v1/plan/cancel": [plan(undoing)],
                ])
            XCTAssertEqual(cancel.status, 0, cancel.errors)
            XCTAssertTrue(cancel.output.hasPrefix("96 partitions, cancelling\ncancelled after "), cancel.output)
            XCTAssertTrue(
                cancel.output.hasSuffix(
                    ": what was split stays so; 'kv ring' shows how many partitions there are\n"), cancel.output)
        }
    }

    func testCancelledBySomebodyElse() async throws {
        let undoing = plan(MembershipFixtures.split(partitions: 96, to: 96, cancelling: true))
        let (run, _) = try await runScripted(
            "kv ring --split 128 -y",
            [look: [ring(64)], status: [plan(nil), undoing, plan(nil)], start: [split(64)]])
        XCTAssertEqual(run.status, 2)
        XCTAssertEqual(
            run.errors,
            "kv: the plan was cancelled; what was split stays so; 'kv ring' shows how many partitions there are\n")
    }

    // MARK: The ring meanwhile

    func testTheRingSaysHowFarItIsAndWhatToType() async throws {
        let (run, _) = try await runScripted(
            "kv ring", [look: [ring(96, plan: MembershipFixtures.split(partitions: 96))]])
        XCTAssertTrue(run.output.hasPrefix("cluster demo: 1 nodes, 96 partitions, "), run.output)
        XCTAssertTrue(
            run.output.hasSuffix(
                """

                plan 9: partitions are split until there are 128
                96 of 128 partitions
                'kv ring --pause' holds it up, 'kv ring --cancel' ends it; what has been split stays so

                """), run.output)
        let paused = MembershipFixtures.split(partitions: 96, paused: true)
        let (held, _) = try await runScripted("kv ring", [look: [ring(96, plan: paused)]])
        XCTAssertTrue(
            held.output.hasSuffix(
                "\n'kv ring --resume' goes on with it, 'kv ring --cancel' ends it; what has been split stays so\n"),
            held.output)
    }
}
