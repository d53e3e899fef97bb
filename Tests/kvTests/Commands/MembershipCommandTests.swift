import KVFakes
import XCTest

/// `kv join` and `kv leave` against nodes that answer as a script says.
final class MembershipCommandTests: XCTestCase {
    private func ok(_ body: String) -> FakeNode.Reply { .status(200, [:], body) }
    private func plan(_ plan: String?) -> FakeNode.Reply { ok("{\"plan\":\(plan ?? "null")}") }
    private func begun(done: Int = 0, rate: Int = 0) -> FakeNode.Reply {
        plan(MembershipFixtures.plan(done: done, rate: rate))
    }

    private var before: FakeNode.Reply { ok(MembershipFixtures.ring([("n1", "alive", "active")], waiting: ["n4"])) }
    private var after: FakeNode.Reply {
        ok(MembershipFixtures.ring([("n1", "alive", "active"), ("n4", "alive", "active")]))
    }

    private let ring = "GET /v1/ring"
    private let status = "GET /v1/plan"
    private let start = "POST /v1/plan"

    // MARK: A plan from beginning to end

    func testJoinShowsThePlanBeginsItAndWaits() async throws {
        let (run, requests) = try await runScripted(
            "kv join n4 --weight 3 --zone z --replace n2 -y",
            [
                ring: [before, after], status: [plan(nil), begun(done: 512, rate: 100), plan(nil)],
                start: [begun(), begun()],
            ])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(run.errors, "")
        let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        XCTAssertEqual(
            lines.dropLast(2).joined(separator: "\n"),
            """
            n4 joins
            to copy: 8 replicas (the fewest possible for any balanced placement: 7), about 1.0 KiB

            NODE         ZONE  WEIGHT  REPLICAS  AFTER  LEADERS  AFTER
            n1           a          1         8      6        2      1
            n4    joins  z          3         0      2        0      1

            warning: of two members neither can do without the other: if either is down nothing is served; join a third

            begun; it goes on if this command is interrupted
              0%  0 B of 1.0 KiB, 0 of 8 replicas
            """)
        XCTAssertTrue(lines[lines.count - 2].hasPrefix("done after "), run.output)
        XCTAssertTrue(lines[lines.count - 2].hasSuffix(": n4 joins, 8 replicas copied"), run.output)
        let posts = requests.filter { $0.line.hasPrefix(start) }
        let change = #""force":false,"join":[{"id":"n4","replace":"n2","weight":3,"zone":"z"}],"leave":[]"#
        XCTAssertEqual(
            try posts.map { try sorted($0.body) }, [#"{"dry_run":true,\#(change)}"#, #"{"dry_run":false,\#(change)}"#])
    }

    private func sorted(_ body: [UInt8]) throws -> String {
        let object = try JSONSerialization.jsonObject(with: Data(body))
        return String(
            decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys), as: UTF8.self)
    }

    func testLeaveWaitsUntilTheNodesAreGone() async throws {
        let leaving = MembershipFixtures.plan(joining: [], leaving: ["n2", "n3"])
        let members = ["n1", "n2", "n3"].map { ($0, "alive", "active") }
        let (run, requests) = try await runScripted(
            "kv leave n2 n3 --force -y",
            [
                ring: [
                    ok(MembershipFixtures.ring(members)), ok(MembershipFixtures.ring(members)),
                    ok(MembershipFixtures.ring([members[0]])),
                ],
                status: [plan(nil)], start: [plan(leaving)],
            ])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(run.output.hasPrefix("n2 and n3 leave\n"), run.output)
        XCTAssertTrue(
            run.output.contains(
                "\n\nwarning: only 1 member is left to hold 3 replicas of each partition, so each will have 1\n"),
            run.output)
        XCTAssertEqual(
            try requests.last { $0.line.hasPrefix(start) }.map { try sorted($0.body) },
            #"{"dry_run":false,"force":true,"join":[],"leave":["n2","n3"]}"#)
    }

    func testJSONIsOneObjectALine() async throws {
        let (run, requests) = try await runScripted(
            "kv join n4 -y -o json", [ring: [before, after], status: [plan(nil)], start: [begun()]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(run.output, "{\"plan\":\(MembershipFixtures.plan())}\n{\"plan\":null}\n")
        XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 1, "nothing is shown first")
        XCTAssertTrue(run.errors.hasPrefix("kv: warning: of two members neither can do without"), run.errors)
    }

    func testNoWait() async throws {
        let (run, _) = try await runScripted(
            "kv join n4 -y --no-wait", [ring: [before], status: [plan(nil)], start: [begun()]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(
            run.output.hasSuffix("\nbegun; 'kv join n4' shows how far it is, and 'kv ring --watch' the whole\n"),
            run.output)
    }

    func testDryRun() async throws {
        let (run, requests) = try await runScripted("kv join n4 --dry-run", [ring: [before], start: [begun()]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(run.output.contains("n4    joins  b          2         0      2        0      1\n"), run.output)
        XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 1)
        let (json, _) = try await runScripted("kv join n4 --dry-run -o json", [ring: [before], start: [begun()]])
        XCTAssertEqual(json.output, "{\"plan\":\(MembershipFixtures.plan())}\n")
        let (none, _) = try await runScripted("kv join n4 --dry-run", [ring: [before], start: [plan(nil)]])
        XCTAssertEqual(none.output, "nothing has to be done\n")
    }

    // MARK: Run again

    func testTheSamePlanUnderWayIsFollowed() async throws {
        let (run, requests) = try await runScripted(
            "kv join n4 -y", [ring: [before, after], status: [begun(done: 256), begun(done: 512), plan(nil)]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(
            run.output.hasPrefix("under way already: n4 joins\n 25%  256 B of 1.0 KiB, 1 of 8 replicas\n"), run.output)
        XCTAssertFalse(requests.contains { $0.line.hasPrefix("POST") })
    }

    func testAnotherPlanUnderWayIsLeftAlone() async throws {
        let (run, requests) = try await runScripted("kv leave n1 -y", [ring: [before], status: [begun()]])
        XCTAssertEqual(run.status, 2)
        XCTAssertEqual(
            run.errors,
            "kv: nothing was changed: another plan is under way (n4 joins); wait for it to end ('kv ring --watch' shows"
                + " it), or cancel it with 'kv join --cancel'\n")
        XCTAssertFalse(requests.contains { $0.line.hasPrefix("POST") })
    }

    func testWhoDiesDuringAPlanCanBeGivenUp() async throws {
        let both = MembershipFixtures.plan(leaving: ["n2"])
        let (run, requests) = try await runScripted(
            "kv leave n2 --force -y",
            [ring: [before, after], status: [begun(), plan(both), plan(nil)], start: [plan(both)]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 2)
        let (again, posted) = try await runScripted(
            "kv leave n2 --force -y", [ring: [before, after], status: [plan(both), plan(nil)]])
        XCTAssertEqual(again.status, 0, again.errors)
        XCTAssertFalse(posted.contains { $0.line.hasPrefix("POST") })
    }

    func testAMemberNeedsNotJoin() async throws {
        let (run, requests) = try await runScripted("kv join n4 -y", [ring: [after], status: [plan(nil)]])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertEqual(run.output, "n4 is a member already\n")
        XCTAssertFalse(requests.contains { $0.line.hasPrefix("POST") })
    }

    // MARK: What is lost on the way

    func testALostAnswerIsMadeGoodByThePlan() async throws {
        for lost in [FakeNode.Reply.close, .error(504, "outcome_unknown", "late"), .error(409, "plan_under_way", "no")]
        {
            let (run, requests) = try await runScripted(
                "kv join n4 -y",
                [ring: [before, after], status: [plan(nil), begun(), plan(nil)], start: [begun(), lost]])
            XCTAssertEqual(run.status, 0, run.errors)
            XCTAssertEqual(requests.count { $0.line.hasPrefix(start) }, 2, "it is not begun twice")
        }
        let (run, _) = try await runScripted(
            "kv join n4 -y", [ring: [before], status: [plan(nil)], start: [begun(), .close]])
        XCTAssertEqual(run.status, 75)
        XCTAssertTrue(run.errors.hasSuffix("look at the plan (kv ring) before you try again\n"), run.errors)
    }

    func testItGoesOnWithANodeItWasNotToldOf() async throws {
        let other = Script([status: [begun(done: 512), plan(nil)], ring: [after]])
        let second = try await FakeNode { other.answer($0) }
        let members = [("n1", "alive", "active"), ("n2", "alive", "active")]
        let (run, _) = try await runScripted(
            "kv join n4 -y",
            [
                ring: [
                    ok(MembershipFixtures.ring(members, waiting: ["n4"], client: "\(second.address)")), .close,
                ],
                status: [plan(nil), .close], start: [begun()],
            ])
        XCTAssertEqual(run.status, 0, run.errors)
        XCTAssertTrue(run.output.contains("\ndone after "), run.output)
        XCTAssertGreaterThanOrEqual(second.requests.count, 3)
        try await second.stop()
    }

    func testANodeThatCannotTellIsPassedOver() async throws {
        let other = Script([status: [begun(done: 512), plan(nil)], ring: [after]])
        let second = try await FakeNode { other.answer($0) }
        let removed = FakeNode.Reply.error(503, "not_member", "no member")
        let (run, _) = try await runScripted(
            "kv join n4 -y --endpoint $KV_ENDPOINT,\(second.address)",
            [ring: [before, removed], status: [plan(nil), removed], start: [begun()]])
        XCTAssertEqual(run.status, 0, run.errors)
        try await second.stop()
    }

    func testCancelledBySomebodyElse() async throws {
        // The plan reports what it undoes.
        let cancelling = plan(MembershipFixtures.plan(joining: [], leaving: ["n4"], cancelling: true))
        let (run, _) = try await runScripted(
            "kv join n4 -y", [ring: [before], status: [plan(nil), cancelling, plan(nil)], start: [begun()]])
        XCTAssertEqual(run.status, 2)
        XCTAssertEqual(run.errors, "kv: the plan was cancelled, and the nodes are as before (n4 joins not)\n")
    }

    // MARK: Orders

    func testPauseResumeAndCancel() async throws {
        let paused = MembershipFixtures.plan(done: 512, paused: true)
        let (pause, _) = try await runScripted(
            "kv join --pause", [status: [begun()], ring: [before], "POST /v1/plan/pause": [plan(paused)]])
        XCTAssertEqual(pause.status, 0, pause.errors)
        XCTAssertEqual(
            pause.output, "paused: 50%  512 B of 1.0 KiB, 2 of 8 replicas, paused; 'kv join --resume' goes on\n")
        let (resume, _) = try await runScripted(
            "kv leave --resume --no-wait", [status: [begun()], ring: [before], "POST /v1/plan/resume": [begun()]])
        XCTAssertEqual(resume.output, "resumed: 0%  0 B of 1.0 KiB, 0 of 8 replicas\n")
        let undoing = MembershipFixtures.plan(joining: [], leaving: ["n4"], cancelling: true)
        let (cancel, _) = try await runScripted(
            "kv join --cancel",
            [status: [begun(), plan(undoing), plan(nil)], ring: [before], "POST /v1/plan/cancel": [plan(undoing)]])
        XCTAssertEqual(cancel.status, 0, cancel.errors)
        XCTAssertTrue(cancel.output.contains("\ncancelled after "), cancel.output)
    }

    func testRefusalsAreToldApart() async throws {
        for (reply, status) in [
            (FakeNode.Reply.error(404, "no_such_node", "why"), 65), (.error(409, "impossible", "why"), 2),
            (.error(409, "plan_under_way", "why"), 2), (.error(503, "no_coordinator", "why"), 69),
        ] as [(FakeNode.Reply, Int32)] {
            let (run, _) = try await runScripted(
                "kv join n4 -y", [ring: [before], self.status: [plan(nil)], start: [reply]])
            XCTAssertEqual(run.status, status)
            XCTAssertEqual(run.errors, "kv: why\n")
        }
        let (none, _) = try await runScripted(
            "kv join --pause",
            [status: [plan(nil)], ring: [before], "POST /v1/plan/pause": [.error(409, "no_plan", "why")]])
        XCTAssertEqual(none.status, 2)
        XCTAssertEqual(none.errors, "kv: why\n")
    }

    func testNobodyToAsk() async throws {
        let (run, _) = try await runScripted("kv join n4", [ring: [before], status: [plan(nil)], start: [begun()]])
        XCTAssertEqual(run.status, 64)
        XCTAssertTrue(
            run.errors.hasPrefix("kv: there is no terminal to ask on, so nothing was done: add --yes"), run.errors)
        // The command looks for the node before it asks the user or complains about a missing terminal.
        let unknown = FakeNode.Reply.error(404, "no_such_node", "no node waits under the id n9")
        let (missing, _) = try await runScripted("kv join n9", [ring: [before], status: [plan(nil)], start: [unknown]])
        XCTAssertEqual(missing.status, 65)
        XCTAssertEqual(missing.errors, "kv: no node waits under the id n9\n")
    }

    // MARK: On a terminal

    func testAQuestionOnATerminal() async throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/script") else {
            throw XCTSkip("there is no script(1) to make a terminal with")
        }
        let answers = [ring: [before, after], status: [plan(nil), plan(nil)], start: [begun(), begun()]]
        let command = { (word: String) in
            "export KV_ENDPOINT TERM=xterm; (sleep 1; echo \(word); sleep 2) | script -qefc \"$KV join n4\" /dev/null"
        }
        let (no, refused) = try await runScripted(command("n"), answers)
        XCTAssertEqual(no.status, 2, no.output)
        XCTAssertTrue(no.output.contains("Begin? [y/N] "), no.output)
        XCTAssertTrue(no.output.contains("kv: nothing was changed"), no.output)
        XCTAssertEqual(refused.count { $0.line.hasPrefix(start) }, 1)
        let (yes, asked) = try await runScripted(command("y"), answers)
        XCTAssertEqual(yes.status, 0, yes.output)
        XCTAssertTrue(
            yes.output.contains("\r\u{1B}[K[------------------------------]   0%  0 B of 1.0 KiB"), yes.output)
        XCTAssertEqual(asked.count { $0.line.hasPrefix(start) }, 2)
    }
}
