-- part_market: marketing's share of a sender's send times: its own pace beside the sender's.
--
-- Needs  part_slot, part_terms, part_sources.
-- s:S  HASH  market: share|from when on marketing may take a send time, epoch microseconds
--
-- Marketing takes the sender's next send time like everybody, when its own pace allows one; so the
-- others lose nothing to it. What a message is decides, not the priority it was given. Mirror of
-- engine/pace.py.

-- load_market: marketing has a share of a sender's send times, and its own pace.
local function load_market(sender, packed)
  local bar = find(packed, '|', 1, true)
  sender.market_share, sender.market_us = sub(packed, 1, bar), tonumber(sub(packed, bar + 1))
  sender.market_step = math.ceil(sender.interval_us / tonumber(sub(packed, 1, bar - 1)))
end

-- is_slowed: whether what waits in a lane is marketing, and so takes its share of send times.
local function is_slowed(sender, lane)
  return sender.market_us and category_of(lane) == 'marketing'
end

-- ahead_ms: how far ahead of its send time a job may be given.
local function ahead_ms(is_low) return is_low and 10 or 250 end

local function ready_at(sender, priority, slowed) -- when its next send time is near enough
  local next_us = slowed and max(sender.next_us, sender.market_us) or sender.next_us
  return math.ceil(next_us / 1000) - ahead_ms(slowed or priority > 1)
end

-- take_share: marketing took send times: its next one is its share of the rate away from each.
local function take_share(sender, times)
  if not sender.market_us or off.rate then return end
  sender.market_us = max(sender.market_us, now * 1000) + times * sender.market_step
end
