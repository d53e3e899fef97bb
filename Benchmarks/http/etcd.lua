-- The same load for etcd's JSON gateway. Reads are linearizable, which is etcd's default.
local operation = os.getenv("OPERATION") or "GET"
local keys = tonumber(os.getenv("KEYS") or "100000")
local size = tonumber(os.getenv("VALUE_SIZE") or "100")
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function base64(text)
    local out = {}
    for i = 1, #text, 3 do
        local a, b, c = text:byte(i, i + 2)
        local n = a * 65536 + (b or 0) * 256 + (c or 0)
        for shift = 0, 3 do
            local digit = math.floor(n / 64 ^ (3 - shift)) % 64
            out[#out + 1] = (shift == 2 and not b or shift == 3 and not c) and "=" or alphabet:sub(digit + 1, digit + 1)
        end
    end
    return table.concat(out)
end

local value = base64(string.rep("v", size))
local count = 0

function request()
    count = count + 1
    local key = base64("key" .. (count * 7919) % keys)
    if operation == "PUT" then
        return wrk.format("POST", "/v3/kv/put", nil, '{"key":"' .. key .. '","value":"' .. value .. '"}')
    end
    return wrk.format("POST", "/v3/kv/range", nil, '{"key":"' .. key .. '"}')
end

function done(summary, latency)
    local failures = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write
        + summary.errors.timeout
    io.write(string.format("RESULT %.0f %.3f %.3f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50) / 1000, latency:percentile(99) / 1000, failures))
end
