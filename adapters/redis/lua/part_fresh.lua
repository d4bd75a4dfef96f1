-- part_fresh: the turn of fresh jobs, and the share of the lower priorities.
--
-- Needs  part_order.
-- park: a job without a place waits where the next free place finds it.
local function park(lane, row)
  refuse(lane.sender, 'quota')
  if not lane.parking then
    lane.parking = {}
    ring_enter(wait_key(lane), lane, lane.wait_passed)
    call('ZADD', tag .. 'waiting', 0, scope_of(lane.sender))
    forget_waiting()
  end
  lane.parking[#lane.parking + 1] = row
end

local function take_fresh(lane, ring)
  local row, recipient = pop(lane.fresh)
  local granted, owed_until, owed = examine(lane, row, recipient)
  if granted and not has_place(lane, recipient) then
    park(lane, row)
    granted = false
  end
  if granted then
    grant(lane, row, recipient, owed_until, owed)
    ring_charge(ring, lane.number, floor(STRIDE * siblings(lane) / source_of(lane.source).weight))
  end
  if not has_row(lane, lane.fresh) then
    lane.passed = ring_leave(ring.key, lane)
    call('HSET', lane.key, 'passed', lane.passed)
    ring_count(lane, -1)
  end
  return granted and 1 or 0
end

-- serve_fresh: a sender's lanes of one priority, while it has send times and they have jobs.
local function serve_fresh(sender, priority, at_most)
  if not sender.known or sender.closed or not has_lanes(sender, priority) then return end
  local ring = load_ring(tag .. 'ring:' .. sender.name .. ':' .. priority)
  local served = 0
  while #ring.list > 0 and served < at_most and may_take(priority) do
    if not has_slot(sender, priority) then
      refuse(sender.name, 'rate')
      return
    end
    steps = steps - 1
    local lane = lane_here(ring.list[1].number)
    local gate, key = closed_gate(lane)
    lane.from = sender
    if gate then
      refuse(sender.name, gate)
      put_to_sleep(lane, gate, key)
    elseif has_row(lane, lane.fresh) then
      served = served + take_fresh(lane, ring)
    else
      ring_leave(ring.key, lane)
    end
  end
end

-- serve_share: a lower priority is offered one send in SHARE_EVERY while a higher one is busy.
local function serve_share(sender)
  if not sender.known or sender.closed or sender.turn < SHARE_EVERY then return end
  sender.turn, sender.moved = 0, true
  local first = sender.share
  sender.share = (first + 1) % 3
  for i = 0, 2 do
    local lower, above = 3 - (first + i) % 3, false
    for p = 0, lower - 1 do
      above = above or has_lanes(sender, p)
    end
    if above and has_lanes(sender, lower) then
      return serve_fresh(sender, lower, 1)
    end
  end
end
