import Glibc
import KVClient

/// Shows the progress of a plan: on a terminal in a line that is overwritten, otherwise in a new line every few
/// seconds.
struct ProgressDisplay {
    enum Style {
        /// A line that is overwritten. `columns` is the width of the terminal.
        case bar(columns: Int)
        case lines
        case json
    }

    /// The time between two lines, if they are not overwritten.
    static let lineInterval = Duration.seconds(3)

    private let style: Style
    private var lastLine: ContinuousClock.Instant?
    private var lastNote: String?
    private var isBarDrawn = false
    /// The number of partitions at the first look. The bar of a split begins there.
    private var firstPartitions: Int?

    init(_ style: Style) { self.style = style }

    static func style(isJSON: Bool) -> Style {
        if isJSON { return .json }
        guard Output.canRedraw else { return .lines }
        return .bar(columns: Output.columns ?? 80)
    }

    mutating func show(_ plan: PlanProgress, now: ContinuousClock.Instant) throws {
        let obstacle = PlanText.obstacle(plan)
        switch style {
        case .bar(let columns):
            if firstPartitions == nil { firstPartitions = plan.partitions }
            try draw(Self.bar(plan, obstacle, columns: columns, since: firstPartitions))
        case .lines, .json:
            if let lastLine, now - lastLine < Self.lineInterval { return }
            lastLine = now
            if case .json = style { return try Output.write(try JSONOutput.text(PlanAnswer(plan: plan))) }
            try Output.write(PlanText.progress(plan) + (obstacle.map { "; held up: \($0)" } ?? "") + "\n")
        }
    }

    /// Shows another text than progress, once.
    mutating func note(_ text: String) throws {
        guard text != lastNote else { return }
        lastNote = text
        if case .bar(let columns) = style { return try draw(String(text.prefix(max(columns - 1, 1)))) }
        Output.complain(text)
    }

    /// Writes the last line, which remains.
    mutating func finish(_ text: String) throws {
        switch style {
        case .json: try Output.write(try JSONOutput.text(PlanAnswer(plan: nil)))
        case .bar:
            try clear()
            try Output.write(text + "\n")
        case .lines: try Output.write(text + "\n")
        }
    }

    /// Clears the line, so that others can use it.
    mutating func clear() throws {
        guard isBarDrawn else { return }
        isBarDrawn = false
        try Output.write("\r\u{1B}[K")
    }

    private mutating func draw(_ line: String) throws {
        isBarDrawn = true
        try Output.write("\r\u{1B}[K" + line)
    }

    /// The bar and the text, in one line of at most `columns`.
    /// - Parameter first: The number of partitions from which the bar of a split counts.
    static func bar(_ plan: PlanProgress, _ obstacle: String?, columns: Int, since first: Int? = nil) -> String {
        let text = PlanText.progress(plan) + (obstacle.map { "; held up: \($0)" } ?? "")
        let room = columns - 1 - text.count - 3
        let width = min(max(room, 10), 30)
        let fraction = plan.isSplit ? PlanText.splitFraction(plan, since: first ?? 0) : PlanText.fraction(plan)
        let filled = Int(fraction * Double(width))
        let bar = "[" + String(repeating: "#", count: filled) + String(repeating: "-", count: width - filled) + "]"
        return String("\(bar) \(text)".prefix(max(columns - 1, 1)))
    }
}
