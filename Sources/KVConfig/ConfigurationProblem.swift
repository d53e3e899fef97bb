/// A mistake in the configuration, and its place.
package struct ConfigurationProblem: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// Line and column count from 1; a column is a character.
        case position(file: String, line: Int, column: Int)
        case file(String)
        case environment(String)
        case flag(String)
    }

    package var place: Place
    /// Says what is wrong, and what is accepted.
    package var message: String

    package init(place: Place, message: String) {
        self.place = place
        self.message = message
    }
}

extension ConfigurationProblem: CustomStringConvertible {
    /// `FILE:LINE:COLUMN: MESSAGE`, or the name of the file, variable or flag in place of the position.
    package var description: String {
        switch place {
        case .position(let file, let line, let column): "\(file):\(line):\(column): \(message)"
        case .file(let name), .environment(let name), .flag(let name): "\(name): \(message)"
        }
    }
}

/// Why there is no configuration: at least one problem, in the order of the file.
package struct ConfigurationError: Error, Hashable, Sendable {
    package var problems: [ConfigurationProblem]

    /// The number of problems after which the rest of a file is not read.
    package static let maximumProblems = 20

    package init(problems: [ConfigurationProblem]) { self.problems = problems }

    init(_ place: ConfigurationProblem.Place, _ message: String) {
        problems = [ConfigurationProblem(place: place, message: message)]
    }

    /// True when all mistakes are on the command line rather than in a file or the environment.
    package var isUsage: Bool {
        problems.allSatisfy { if case .flag = $0.place { true } else { false } }
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// One line for each problem.
    package var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Puts `text` in double quotes for one line of a message: control characters are escaped, and long text is cut.
func quoted(_ text: String) -> String {
    var result = "\""
    for (count, scalar) in text.unicodeScalars.enumerated() {
        if count == 60 {
            result += "..."
            break
        }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
            result += "\\u{\(String(scalar.value, radix: 16))}"
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
