// KVCore is made of these types: whoever imports it sees both.
@_exported import KVModel
