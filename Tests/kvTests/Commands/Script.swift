import KVFakes
import NIOConcurrencyHelpers

/// The answers of a node for each method and path, in order. The last one repeats.
final class Script: Sendable {
    private let answers: NIOLockedValueBox<[String: [FakeNode.Reply]]>

    init(_ answers: [String: [FakeNode.Reply]]) { self.answers = NIOLockedValueBox(answers) }

    func answer(_ request: FakeNode.Request) -> FakeNode.Reply {
        let target = String(request.line.prefix { $0 != "?" })
        return answers.withLockedValue { answers in
            guard var left = answers[target], let first = left.first else {
                return .error(404, "unknown_path", "no \(target)")
            }
            if left.count > 1 { left.removeFirst() }
            answers[target] = left
            return first
        }
    }
}

/// Runs a command line against a node that answers by a script.
func runScripted(
    _ line: String, _ answers: [String: [FakeNode.Reply]]
) async throws -> (run: Run, requests: [FakeNode.Request]) {
    let script = Script(answers)
    let node = try await FakeNode { script.answer($0) }
    let run = try bash(line, ["KV_ENDPOINT": "\(node.address)"])
    try await node.stop()
    return (run, node.requests)
}
