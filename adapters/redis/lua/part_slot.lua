-- part_slot: the names, the numbers and the clock that every script of a portfolio's slot shares.
--
-- KEYS[1]  tag           every key of the slot begins with it; it carries the hash tag
-- ARGV[1]  now_ms  epoch ms, from the caller's clock
-- ARGV[2]  terms   see part_terms
--
-- Needs     part_terms.
-- Provides  now and now_text, clock_differs, text(), array(), NONE.
--
-- To read a number is costly: tonumber() reads it twice, `+ 0` once. And ipairs() costs a call for
-- each item: where every claim comes by, places are counted.
--
-- Time never goes back in a slot. A caller whose clock differs too much is brought to the edge of
-- what is allowed; only a claim refuses.
local tag, now, now_text, clock_differs, argv
-- A function may reach for these only in a call.
local call, floor, max, min, sub, byte, char, find, match, format
local FOREVER = 9000000000000
local function text(number) return format('%d', number) end

-- array: an empty one with room for `size`: one that grows is copied at every doubling. NONE is one
-- that nobody puts anything into.
local NONE = {}
local function array(size) return { unpack(NONE, 1, size) } end

local function begin_slot(keys, arguments)
  argv, tag = arguments, keys[1]
  if not call then
    call, floor, max, min = redis.call, math.floor, math.max, math.min
    sub, byte, char, find = string.sub, string.byte, string.char, string.find
    match, format = string.match, string.format
  end
  now, now_text, clock_differs = argv[1] + 0, argv[1], false -- a number is costly to write
  local tolerance_ms = take_terms(argv[2])
  if tolerance_ms > 0 then
    local server = call('TIME')
    local server_ms = server[1] * 1000 + floor(server[2] / 1000)
    clock_differs = math.abs(server_ms - now) > tolerance_ms
    local nearest = max(server_ms - tolerance_ms, min(server_ms + tolerance_ms, now))
    if nearest ~= now then now, now_text = nearest, text(nearest) end
  end
end
