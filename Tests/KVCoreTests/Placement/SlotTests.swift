import KVCore
import XCTest

final class SlotTests: XCTestCase {
    /// Published check value of CRC16/XMODEM, and slots as `CLUSTER KEYSLOT` of Redis 7 answers them.
    func testKnownSlots() {
        let known: [(String, UInt16)] = [
            ("123456789", 0x31C3), ("", 0), ("foo", 12182), ("bar", 5061), ("hello", 866),
            ("{user1000}.following", 3443), ("{user1000}.followers", 3443), ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", 4015), ("foo{bar}{zap}", 5061), ("{", 4092), ("{}", 15257), ("a}b{c}", 7365),
            ("{}{bar}", 11272), ("key:000000012345", 12533),
        ]
        for (key, slot) in known { XCTAssertEqual(Key(key).slot, Slot(slot), key) }
    }

    func testHashTag() {
        let alike: [(String, String)] = [
            ("{user1000}.following", "user1000"),
            ("{user1000}.followers", "user1000"),
            ("foo{bar}{zap}", "bar"),
            ("foo{{bar}}zap", "{bar"),
            ("{}{bar}", "{}{bar}"),
        ]
        for (key, hashed) in alike {
            XCTAssertEqual(Key(key).slot, Slot(crc(Array(hashed.utf8))), key)
        }
    }

    func testTextThatOnlyLooksLikeATagIsHashedWhole() {
        for key in ["foo{}{bar}", "foo{bar", "foo}bar{", "{", "}", "{}", "}{", "a}b{c"] {
            XCTAssertEqual(Key(key).slot, Slot(crc(Array(key.utf8))), key)
        }
    }

    func testAnyBytes() {
        let bytes = (0...255).map { UInt8($0) }.filter { $0 != UInt8(ascii: "{") }
        XCTAssertEqual(Key(bytes).slot, Slot(crc(bytes)))
    }

    /// The definition, bit by bit.
    private func crc(_ bytes: [UInt8]) -> UInt16 {
        var crc: UInt16 = 0
        for byte in bytes {
            for bit in stride(from: 7, through: 0, by: -1) {
                let out = crc >> 15 ^ UInt16(byte >> UInt8(bit) & 1)
                crc = crc << 1 ^ (out == 1 ? 0x1021 : 0)
            }
        }
        return crc
    }
}
