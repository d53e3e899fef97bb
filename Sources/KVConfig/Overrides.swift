/// Values from the command line and the environment, with where they came from.
struct Overrides {
    struct Value {
        var text: String
        var place: ConfigurationProblem.Place

        func choice<Choice: RawRepresentable<String> & CaseIterable>() throws(ConfigurationError) -> Choice {
            if let choice = Choice(rawValue: text) { return choice }
            throw ConfigurationError(place, "must be one of \(Choice.names), not \(quoted(text))")
        }

        /// As `parse` reads it; a `NotationError` says what is wanted.
        func parsed<Parsed>(
            _ parse: (String) throws(NotationError) -> Parsed
        ) throws(ConfigurationError) -> Parsed {
            do throws(NotationError) {
                return try parse(text)
            } catch {
                throw ConfigurationError(place, "must be \(error.wanted), not \(quoted(text))")
            }
        }
    }

    var environment: [String: String]

    func value(_ given: String?, _ flag: String, _ variable: String) -> Value? {
        if let given { return Value(text: given, place: .flag(flag)) }
        guard let text = environment[variable], !text.isEmpty else { return nil }
        return Value(text: text, place: .environment(variable))
    }

    /// A flag that may be repeated, or a variable with its values between commas.
    func values(_ given: [String], _ flag: String, _ variable: String) -> [Value] {
        if !given.isEmpty { return given.map { Value(text: $0, place: .flag(flag)) } }
        guard let list = value(nil, flag, variable) else { return [] }
        return list.text.split(separator: ",", omittingEmptySubsequences: false).map {
            Value(text: String($0), place: list.place)
        }
    }

    /// A flag without a value, or a variable that is `true` or `false`; nil where neither says yes.
    func yes(_ given: Bool, _ flag: String, _ variable: String) throws(ConfigurationError) -> ConfigurationProblem
        .Place?
    {
        if given { return .flag(flag) }
        guard let value = value(nil, flag, variable) else { return nil }
        switch value.text {
        case "true", "1": return value.place
        case "false", "0": return nil
        default: throw ConfigurationError(value.place, "must be true or false, not \(quoted(value.text))")
        }
    }
}
