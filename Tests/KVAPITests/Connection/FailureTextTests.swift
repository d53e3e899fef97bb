import KVCore
import XCTest

@testable import KVAPI

/// The same failure is told in the same words, whatever protocol a client speaks.
final class FailureTextTests: XCTestCase {
    func testBothProtocolsTellOfARefusalAlike() {
        for refusal in [
            Refusal.noLeader, .overloaded, .diskFull, .stopping, .noReplica, .notMember,
        ] {
            let http = HTTPFailure(refusal).message
            let resp = RESPFailure(refusal).text.drop { $0 != " " }.dropFirst()
            let happened = FailureText.of(refusal, advice: "")
            XCTAssertFalse(happened.isEmpty)
            XCTAssertTrue(http.hasPrefix(happened), http)
            XCTAssertTrue(resp.hasPrefix(happened), String(resp))
            XCTAssertGreaterThan(http.count, happened.count, "it says what to do next: \(http)")
            XCTAssertGreaterThan(resp.count, happened.count, "it says what to do next: \(resp)")
        }
    }

    func testBothProtocolsTellOfAnUnknownOutcomeAlike() {
        for uncertainty in [Uncertainty.timedOut, .leaderLost] {
            XCTAssertEqual("OUTCOMEUNKNOWN " + HTTPFailure(uncertainty).message, RESPFailure(uncertainty).text)
        }
        XCTAssertEqual("ERR " + HTTPFailure.unfitting.message, RESPFailure.unfitting.text)
    }
}
