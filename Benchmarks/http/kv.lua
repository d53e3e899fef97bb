-- wrk's requests to kv: PUT or GET of 100-byte values over KEYS keys, each connection in an order of its own.
local operation = os.getenv("OPERATION") or "GET"
local keys = tonumber(os.getenv("KEYS") or "100000")
local value = string.rep("v", tonumber(os.getenv("VALUE_SIZE") or "100"))
local count = 0

function request()
    count = count + 1
    local key = (count * 7919) % keys
    if operation == "PUT" then
        return wrk.format("PUT", "/v1/kv/key" .. key, nil, value)
    end
    return wrk.format("GET", "/v1/kv/key" .. key)
end

function done(summary, latency)
    local failures = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.timeout
    io.write(string.format("RESULT %.0f %.3f %.3f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, failures))
end
