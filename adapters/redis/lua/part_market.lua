-- part_market: marketing's share of a sender's send times: its own pace beside the sender's.
--
-- Needs  part_slot, part_terms.
-- s:S  HASH  market: share|from when on marketing may take a send time, epoch microseconds
--
-- Marketing takes the sender's next send time like everybody, when its own pace allows one; so the
-- others lose nothing to it. Mirror of engine/pace.py.

-- load_market: marketing has a share of a sender's send times, and its own pace.
local function load_market(sender, packed)
  local bar = find(packed, '|', 1, true)
  sender.market_share, sender.market_us = sub(packed, 1, bar), tonumber(sub(packed, bar + 1))
  sender.market_step = math.ceil(sender.interval_us / tonumber(sub(packed, 1, bar - 1)))
end

local function open_us(sender, priority) -- from when on a priority may take a send time
  if priority < 3 or not sender.market_us then return sender.next_us end
  return max(sender.next_us, sender.market_us)
end

local function ready_at(sender, priority) -- when its next send time is near enough
  local ahead_ms = priority > 1 and 10 or 250
  return math.ceil(open_us(sender, priority) / 1000) - ahead_ms
end

-- take_share: marketing took send times: its next one is its share of the rate away from each.
local function take_share(sender, times)
  if not sender.market_us or off.rate then return end
  sender.market_us = max(sender.market_us, now * 1000) + times * sender.market_step
end
