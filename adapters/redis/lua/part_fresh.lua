-- part_fresh: fresh jobs of a sender's lanes leave in their turn.
--
-- Needs  part_order, part_run.
-- park: a job without a place waits where the next free place finds it.
local function park(lane, row)
  refuse(lane.sender, 'quota')
  if not lane.parking then
    lane.parking = {}
    ring_enter(wait_key(lane), lane, lane.wait_passed)
    call('ZADD', tag .. 'waiting', 0, scope_of(lane.sender))
    now_has('waiting')
    forget_waiting()
  end
  lane.parking[#lane.parking + 1] = row
end

-- take_fresh: the next row of a lane goes through its own gates; 1 when it may be written.
local function take_fresh(lane)
  local row, recipient = pop(lane.fresh)
  local is_let, owed_until, owed = examine(lane, row, recipient)
  if is_let and not has_place(lane, recipient) then
    park(lane, row)
    is_let = false
  end
  if is_let then grant(lane, row, recipient, owed_until, owed) end
  return is_let and 1 or 0
end

-- leave_empty: a lane without jobs stands in no ring.
local function leave_empty(lane, ring)
  lane.passed = ring_leave(ring.key, lane)
  call('HSET', lane.key, 'passed', lane.passed)
  ring_count(lane, -1)
end

-- take_next: the lane that is first in its ring is served: plain rows in a run while nobody else
-- is in the ring, any other row by itself. Returns how many of its rows may be written.
local function take_next(lane, ring, at_most)
  local is_alone = #ring.list == 1
  local served = take_run(lane, is_alone and at_most or 1)
  if served == 0 then
    served, steps = take_fresh(lane), steps - 1
  end
  if served > 0 and not is_alone then -- alone it owes nobody
    local weight = source_of(lane.source).weight
    ring_charge(ring, lane.number, floor(STRIDE * siblings(lane) / weight))
  end
  if not has_row(lane, lane.fresh) then leave_empty(lane, ring) end
  return served
end

-- next_lane: whose turn it is; marketing whose share is used up is passed over, nil when all is.
local function next_lane(sender, ring, priority)
  local first = ring.list[1].number
  if not sender.market_us or has_slot(sender, priority, true) then return first end
  for _, entry in ipairs(ring.list) do
    if not is_slowed(sender, lane_of(entry.number)) then return entry.number end
  end
end

-- serve_fresh: a sender's lanes of one priority, while it has send times and they have jobs.
local function serve_fresh(sender, priority, at_most)
  if not sender.known or sender.closed or not has_lanes(sender, priority) then return end
  local ring = ring_of(sender, priority)
  local served = 0
  while #ring.list > 0 and served < at_most and may_take(priority) do
    local number = has_slot(sender, priority) and next_lane(sender, ring, priority)
    if not number then return refuse(sender.name, 'rate') end
    local lane = lane_here(number)
    local gate, key = closed_gate(lane)
    lane.from = sender
    if gate then
      steps = steps - 1
      refuse(sender.name, gate)
      put_to_sleep(lane, gate, key)
    elseif has_row(lane, lane.fresh) then
      served = served + take_next(lane, ring, at_most - served)
    else
      steps = steps - 1
      leave_empty(lane, ring)
    end
  end
end
