-- part_pace: send times of a number outside a claim.
--
-- Needs  part_slot.
-- s:S    HASH  nominal and learned, messages a second; next_us, its next free send time
--
-- A claim takes them by itself, of what it has read already. Mirror of engine/pace.py.

-- rate_of: messages a second: what Meta's refusals taught, else what Meta grants.
local function rate_of(nominal, learned)
  local taught = tonumber(learned or 0)
  return taught > 0 and taught or tonumber(nominal)
end

local function interval_of(rate) return math.ceil(1000000 / rate) end -- microseconds

-- take_times: the next send times of a number are taken; returns the first of them.
local function take_times(key, next_us, rate, times)
  local from_us = max(tonumber(next_us or 0), now * 1000)
  call('HSET', key, 'next_us', text(from_us + times * interval_of(rate)))
  return from_us
end
