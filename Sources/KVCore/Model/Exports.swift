// KVCore's interface uses KVModel's types, so a module that imports KVCore sees both.
@_exported import KVModel
