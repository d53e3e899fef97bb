import XCTest

extension TestCluster {
    /// Puts 200 keys whose values are their own names.
    /// - Returns: The keys. All have been acknowledged.
    func putSmallValues(_ prefix: String, at id: String) throws -> [String] {
        let connection = try connect(id)
        return try (0..<200).map { number in
            let name = "\(prefix)-\(number)"
            let answer = try connection.request("PUT", "/v1/kv/\(name)", body: Array(name.utf8))
            guard answer.status == 204 else { throw Unexpected("\(name): \(answer.status) \(answer.text)") }
            return name
        }
    }

    func assertHasSmallValues(_ names: [String], at id: String, line: UInt = #line) throws {
        let connection = try connect(id)
        let lost = try names.filter { try connection.request("GET", "/v1/kv/\($0)").text != $0 }
        XCTAssertEqual(lost, [], line: line)
    }
}
