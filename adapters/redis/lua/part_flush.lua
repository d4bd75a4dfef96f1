-- part_flush: what a claim decided is written, once per structure.
--
-- Needs    part_serve.
-- ARGV[3]  worker   who asks
-- ARGV[4]  counter  which of its wishes
local PRUNE_MAX, PRUNE_EVERY_MS = 1000, 500

local function trim(list)
  if list.taken > 0 then call('LTRIM', list.key, digits(list.taken), '-1') end
end

local function flush_lanes()
  for _, lane in pairs(lanes) do
    if lane.fresh then
      trim(lane.fresh)
      trim(lane.kept)
      if lane.granted > 0 then count(lane.source, 's:in_flight', lane.granted) end
    end
    local parking = lane.parking
    for i = 1, parking and #parking or 0, 200 do
      call('RPUSH', lane.parked, unpack(parking, i, min(i + 199, #parking)))
    end
  end
end

local function busy_priority(sender)
  for p = 0, 3 do
    if has_lanes(sender, p) then return p end
  end
end

-- ready_soonest: when a send time is near enough for the first of a sender's lanes.
local function ready_soonest(sender, busy)
  if not sender.market_us then return ready_at(sender, busy) end
  local soonest = FOREVER
  for p = busy, 3 do
    if has_lanes(sender, p) then
      local slowed = true
      for _, entry in ipairs(ring_of(sender, p).list) do
        slowed = slowed and is_slowed(sender, lane_of(entry.number))
      end
      soonest = min(soonest, ready_at(sender, p, slowed))
    end
  end
  return soonest
end

-- flush_sender: write a sender's send times, and when it is worth looking at it again.
local function flush_sender(sender)
  if sender.market_us and sender.moved then
    local at = #sender.fields
    sender.fields[at + 1] = 'market'
    sender.fields[at + 2] = sender.market_share .. text(sender.market_us)
  end
  if sender.known and (sender.moved or #sender.fields > 0) then
    if not only then
      local at = #sender.fields
      sender.fields[at + 1], sender.fields[at + 2] = 'turn', digits(sender.turn)
    end
    call('HSET', sender.key, 'next_us', sender.next_us, unpack(sender.fields))
    if sender.is_raised then new_facts() end
  end
  local at_ms = FOREVER
  if sender.closed then
    if sender.known then refuse(sender.name, sender.closed) end
    at_ms = sender.closed_until
  elseif sender.known then
    local busy = busy_priority(sender)
    at_ms = sender.wants
    if busy then at_ms = min(at_ms, off.rate and 0 or ready_soonest(sender, busy)) end
    if at_ms < FOREVER then at_ms = max(now, at_ms) end
  end
  if at_ms >= FOREVER then
    call('ZREM', tag .. 'due', sender.name)
  elseif at_ms > now then
    call('ZADD', tag .. 'due', text(at_ms), sender.name)
  elseif not sender.is_due then
    due_sooner(sender.name, at_ms)
  else
    firsts.due = 0 -- who is due already keeps its turn, and nobody's comes before now
  end
end
