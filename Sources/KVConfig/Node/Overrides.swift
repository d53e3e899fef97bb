/// Values from the command line and the environment, with their origins.
struct Overrides {
    struct Value {
        var text: String
        var place: ConfigurationProblem.Place

        /// Assigns the value to `field`.
        func assign<Root>(_ field: SettingField<Root>, _ root: inout Root) throws(ConfigurationError) {
            try placed { () throws(ValueProblem) in try field.assign(&root, text) }
        }

        /// Parses the value in this format.
        func parsed<Parsed>(_ format: ValueFormat<Parsed>) throws(ConfigurationError) -> Parsed {
            try placed { () throws(ValueProblem) in try format.parse(text) }
        }

        /// Reports a problem with the value at its place.
        private func placed<Result>(
            _ body: () throws(ValueProblem) -> Result
        ) throws(ConfigurationError) -> Result {
            do throws(ValueProblem) {
                return try body()
            } catch {
                throw ConfigurationError(place, error.text)
            }
        }
    }

    var environment: [String: String]

    /// - Parameter given: the value of the setting's flag.
    func value(_ given: String?, _ setting: Setting) -> Value? {
        if let given, let flag = setting.flag { return Value(text: given, place: .flag(flag)) }
        guard let variable = setting.variable, let text = environment[variable], !text.isEmpty else { return nil }
        return Value(text: text, place: .environment(variable))
    }

    /// The values of a flag that may be repeated, or of a variable, separated by commas.
    func values(_ given: [String], _ setting: Setting) -> [Value] {
        if let flag = setting.flag, !given.isEmpty { return given.map { Value(text: $0, place: .flag(flag)) } }
        guard let list = value(nil, setting) else { return [] }
        return list.text.split(separator: ",", omittingEmptySubsequences: false).map {
            Value(text: String($0), place: list.place)
        }
    }

    /// The place of a flag without a value, or of a variable that is `true`; nil when neither is set.
    func yes(_ given: Bool, _ setting: Setting) throws(ConfigurationError) -> ConfigurationProblem.Place? {
        guard let value = value(given ? "true" : nil, setting) else { return nil }
        switch value.text {
        case "true", "1": return value.place
        case "false", "0": return nil
        default: throw ConfigurationError(value.place, "must be true or false, not \(quoted(value.text))")
        }
    }
}
