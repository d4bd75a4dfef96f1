-- part_slot: the names, the numbers and the clock that every script of a portfolio's slot shares.
--
-- KEYS[1]  tag           every key of the slot begins with it; it carries the hash tag
-- ARGV[1]  now_ms        epoch ms, from the caller's clock
-- ARGV[2]  tolerance_ms  how far that clock and this server's may differ; 0 does not look
--
-- Provides  now, meta (what the slot knows of itself), clock_differs, touch(); and the packing of
-- whole numbers into bytes, which keeps queued jobs small.
--
-- Time never goes back in a slot. A caller whose clock differs too much is brought to the edge of
-- what is allowed; only a claim refuses (DESIGN section 4).
local tag = KEYS[1]
local now, tolerance_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local call, floor, max, min = redis.call, math.floor, math.max, math.min
local sub, byte, char, find = string.sub, string.byte, string.char, string.find
local FOREVER = 9000000000000

local function text(number) return string.format('%.0f', number) end

local function number2(bytes, at)
  local a, b = byte(bytes, at, at + 1)
  return a * 256 + b
end

local function bytes2(number) return char(floor(number / 256) % 256, number % 256) end

local function number5(bytes, at)
  local a, b, c, d, e = byte(bytes, at, at + 4)
  return (((a * 256 + b) * 256 + c) * 256 + d) * 256 + e
end

local function number6(bytes, at)
  local a, b, c, d, e, f = byte(bytes, at, at + 5)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end

local function bytes5(number)
  local low = number % 65536
  local high = (number - low) / 65536
  return char(floor(high / 65536) % 256, floor(high / 256) % 256, high % 256,
    floor(low / 256), low % 256)
end

local function bytes6(number)
  local low = number % 16777216
  local high = (number - low) / 16777216
  return char(floor(high / 65536) % 256, floor(high / 256) % 256, high % 256,
    floor(low / 65536), floor(low / 256) % 256, low % 256)
end

local meta = {}
do
  local names = { 'clock', 'sequence', 'recovering', 'places', 'ceiling0', 'ceiling1', 'ceiling2',
    'ceiling3', 'by_number', 'before', 'before_until', 'lanes' }
  local values = call('HMGET', tag .. 'meta', unpack(names))
  for i, name in ipairs(names) do meta[name] = tonumber(values[i] or 0) end
  meta.known = values[4]
end

local clock_differs = false
if tolerance_ms > 0 then
  local server = call('TIME')
  local server_ms = server[1] * 1000 + floor(server[2] / 1000)
  clock_differs = math.abs(server_ms - now) > tolerance_ms
  now = max(server_ms - tolerance_ms, min(server_ms + tolerance_ms, now))
end
now = max(now, meta.clock)

-- touch: write the clock down, and a new sequence number when something changed.
local function touch(changed)
  if changed then meta.sequence = meta.sequence + 1 end
  call('HSET', tag .. 'meta', 'clock', text(now), 'sequence', text(meta.sequence))
end
