-- part_slot: the names, the numbers and the clock that every script of a portfolio's slot shares.
--
-- KEYS[1]  tag           every key of the slot begins with it; it carries the hash tag
-- ARGV[1]  now_ms        epoch ms, from the caller's clock
-- ARGV[2]  tolerance_ms  how far that clock and this server's may differ; 0 does not look
--
-- Provides  now, clock_differs, text().
--
-- Time never goes back in a slot. A caller whose clock differs too much is brought to the edge of
-- what is allowed; only a claim refuses.
local tag, now, clock_differs, argv
-- A function may reach for these only in a call.
local call, floor, max, min, sub, byte, char, find, format
local FOREVER = 9000000000000
local function text(number) return format('%d', number) end

local function begin_slot(keys, arguments)
  argv, tag, call = arguments, keys[1], redis.call
  floor, max, min = math.floor, math.max, math.min
  sub, byte, char, find = string.sub, string.byte, string.char, string.find
  format = string.format
  now, clock_differs = tonumber(argv[1]), false
  local tolerance_ms = tonumber(argv[2])
  if tolerance_ms > 0 then
    local server = call('TIME')
    local server_ms = server[1] * 1000 + floor(server[2] / 1000)
    clock_differs = math.abs(server_ms - now) > tolerance_ms
    now = max(server_ms - tolerance_ms, min(server_ms + tolerance_ms, now))
  end
end
