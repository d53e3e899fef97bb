import NIOCore
import NIOEmbedded
import XCTest

@testable import KVAPI

/// Clients that speak what is not spoken here are told so in their own words, and let go.
final class ForeignProtocolTests: XCTestCase {
    private func speak(_ pieces: [[UInt8]]) throws -> (answer: [UInt8], told: [ForeignProtocol], isOpen: Bool) {
        let channel = EmbeddedChannel()
        nonisolated(unsafe) var told: [ForeignProtocol] = []
        let protocols = ProtocolSwitch(onForeign: { told.append($0) }) { _, choice in
            XCTFail("\(choice) was chosen")
        }
        try channel.pipeline.syncOperations.addHandler(protocols)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 7400)).wait()
        for piece in pieces { try channel.writeInbound(ByteBuffer(bytes: piece)) }
        channel.embeddedEventLoop.run()
        var answer: [UInt8] = []
        while let buffer = try channel.readOutbound(as: ByteBuffer.self) { answer += Array(buffer: buffer) }
        return (answer, told, channel.isActive)
    }

    private let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    func testHTTP2() throws {
        for pieces in [[preface], preface.map { [$0] }.prefix(17).map { $0 }] {
            let (answer, told, isOpen) = try speak(pieces)
            XCTAssertEqual(told, [.http2])
            XCTAssertFalse(isOpen)
            // SETTINGS, then GOAWAY with HTTP_1_1_REQUIRED and a reason.
            XCTAssertEqual(Array(answer.prefix(9)), [0, 0, 0, 4, 0, 0, 0, 0, 0])
            let rest = Array(answer.dropFirst(9))
            XCTAssertEqual(Int(rest[2]), rest.count - 9, "the frame's length")
            XCTAssertEqual(rest[3], 7)
            XCTAssertEqual(Array(rest[9..<17]), [0, 0, 0, 0, 0, 0, 0, 0x0d])
            XCTAssertEqual(String(decoding: rest[17...], as: UTF8.self), "kv speaks HTTP/1.1")
        }
    }

    func testTLS() throws {
        for pieces in [[[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]], [[0x16], [0x03, 0x03]]] as [[[UInt8]]] {
            let (answer, told, isOpen) = try speak(pieces)
            XCTAssertEqual(told, [.tls])
            XCTAssertFalse(isOpen)
            XCTAssertEqual(answer, [0x15, 3, 1, 0, 2, 2, 40])
        }
    }

    func testWhatOnlyBeginsLikeThem() {
        XCTAssertNil(ProtocolSwitch.choice([0x16]))
        XCTAssertEqual(ProtocolSwitch.choice([0x16, 0x04]), .resp)
        XCTAssertNil(ProtocolSwitch.choice(Array("PRI * HTTP/2".utf8)))
        XCTAssertEqual(ProtocolSwitch.choice(Array("PRI * HTTP/3.0\r\n".utf8)), .resp)
        XCTAssertEqual(ProtocolSwitch.choice(Array("PRI key\r\n".utf8)), .resp)
    }
}
