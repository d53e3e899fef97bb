import Glibc
import KVConfig
import Logging

/// Writes each message as one line on standard error: as text for people, or as a JSON object for log collectors.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    private let output: LogOutput
    /// The level of this logger alone; nil for that of the process.
    private var ownLevel: Logger.Level?

    init(_ output: LogOutput) { self.output = output }

    var logLevel: Logger.Level {
        get { ownLevel ?? Logger.Level(rawValue: output.current.level.rawValue) ?? .info }
        set { ownLevel = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let fields = metadata.merging(event.metadata ?? [:]) { _, new in new }.sorted { $0.key < $1.key }
        output.write(output.current.format == .text ? text(event, fields) : json(event, fields))
    }

    private func text(_ event: LogEvent, _ fields: [(key: String, value: Logger.MetadataValue)]) -> String {
        var line = "\(timestamp) \(event.level.rawValue.uppercased()) \(event.message)"
        for (key, value) in fields { line += " \(key)=\(value)" }
        return line + "\n"
    }

    private func json(_ event: LogEvent, _ fields: [(key: String, value: Logger.MetadataValue)]) -> String {
        var line = "{\"time\":\"\(timestamp)\",\"level\":\"\(event.level.rawValue)\",\"message\":"
        line += Self.jsonString("\(event.message)")
        for (key, value) in fields { line += ",\(Self.jsonString(key)):\(Self.jsonString("\(value)"))" }
        return line + "}\n"
    }

    /// The time in ISO 8601, UTC, to the millisecond.
    private var timestamp: String {
        let wall = Clock.machineWall
        var seconds = time_t(wall / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        var buffer = [CChar](repeating: 0, count: 32)
        let length = strftime(&buffer, buffer.count, "%Y-%m-%dT%H:%M:%S", &parts)
        let text = String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let milliseconds = String(wall % 1000)
        return text + "." + String(repeating: "0", count: 3 - milliseconds.count) + milliseconds + "Z"
    }

    private static func jsonString(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }
}
