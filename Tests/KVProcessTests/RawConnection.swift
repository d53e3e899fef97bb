import Foundation
import KVCore

/// A TCP connection that sends any bytes, well-formed or not, and reads HTTP answers. Its calls block for up to `limit`
/// seconds.
final class RawConnection {
    struct Answer: Sendable {
        var status: Int
        /// Names in lower case.
        var headers: [String: String]
        var body: [UInt8]

        var text: String { String(decoding: body, as: UTF8.self) }
        var error: String { (try? JSONDecoder().decode(Problem.self, from: Data(body)))?.error ?? "" }
        var message: String { (try? JSONDecoder().decode(Problem.self, from: Data(body)))?.message ?? "" }

        private struct Problem: Decodable { var error, message: String }
    }

    private let descriptor: Int32
    private var unread: [UInt8] = []

    init(_ address: Address, limit: Int = 20) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var time = timeval(tv_sec: limit, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = in_port_t(UInt16(address.port).bigEndian)
        target.sin_addr.s_addr = inet_addr(address.host)
        let result = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if result != 0 {
            // `deinit` runs after this and closes the descriptor. Closing it here as well might close another thread's.
            throw Unexpected("cannot connect to \(address): \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(descriptor) }

    /// Sends bytes. False if the other end has closed.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    /// Receives some bytes. False at the end of the stream, or when the time is up.
    private func receive() -> Bool {
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count > 0 else { return false }
        unread += buffer[..<count]
        return true
    }

    /// Reads `count` bytes and drops them. False if fewer come.
    func discard(_ count: Int) -> Bool {
        var rest = count
        while rest > 0 {
            guard !unread.isEmpty || receive() else { return false }
            let taken = min(rest, unread.count)
            unread.removeFirst(taken)
            rest -= taken
        }
        return true
    }

    /// Reads all bytes until the other end closes.
    func readToEnd() -> [UInt8] {
        while receive() {}
        defer { unread = [] }
        return unread
    }

    /// Reads the next answer, and skips those of the class 1xx.
    func answer(hasBody: Bool = true) throws -> Answer {
        while true {
            let head = try readHead()
            let lines = head.components(separatedBy: "\r\n")
            let status = Int(lines[0].split(separator: " ").dropFirst().first ?? "") ?? 0
            guard status >= 200 else { continue }
            var headers: [String: String] = [:]
            for line in lines.dropFirst() {
                let parts = line.split(separator: ":", maxSplits: 1)
                if parts.count == 2 { headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces) }
            }
            let length = hasBody ? Int(headers["content-length"] ?? "0") ?? 0 : 0
            while unread.count < length {
                guard receive() else { throw Unexpected("the connection ended within the body of an answer") }
            }
            let body = Array(unread.prefix(length))
            unread.removeFirst(length)
            return Answer(status: status, headers: headers, body: body)
        }
    }

    private func readHead() throws -> String {
        var searched = 0
        while true {
            var index = max(searched - 3, 0)
            while index + 4 <= unread.count {
                if unread[index] == 13, unread[index + 1] == 10, unread[index + 2] == 13, unread[index + 3] == 10 {
                    let head = String(decoding: unread[..<index], as: UTF8.self)
                    unread.removeFirst(index + 4)
                    return head
                }
                index += 1
            }
            searched = unread.count
            guard receive() else { throw Unexpected("the connection ended, or the time was up, before an answer") }
        }
    }

    /// Sends a request and reads its answer.
    func request(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8]? = nil
    ) throws -> Answer {
        sendRequest(method, target, headers: headers, body: body)
        return try answer(hasBody: method != "HEAD")
    }

    /// Sends a request. Its answer is read by `answer`, after those of earlier requests.
    func sendRequest(_ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8]? = nil) {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: kv\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        if let body { head += "Content-Length: \(body.count)\r\n" }
        // A failure to send is ignored. It means that the server has refused the request early, and its answer says
        // why.
        send(Array((head + "\r\n").utf8) + (body ?? []))
    }
}
