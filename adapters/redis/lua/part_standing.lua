-- part_standing: what holds a lane, where it stands in its rings, and how it wakes.
--
-- Needs  part_lanes, which names the keys.
-- ended  HASH  lane -> sequence|code: what waited up to it ended with its template

-- closed_gate: the gate that holds a whole lane, and its key; nil when it may be served.
local function closed_gate(lane)
  if not lane.looked then
    lane.gate, lane.gate_key, lane.gate_until = look_at_gates(lane)
    lane.looked = true
  end
  return lane.gate, lane.gate_key
end

local function ring_key(lane) return tag .. 'ring:' .. lane.sender .. ':' .. lane.priority end

local function wait_key(lane)
  return tag .. 'wait:' .. scope_of(lane.sender) .. ':' .. lane.priority
end

local function due_sooner(sender, at_ms)
  call('ZADD', tag .. 'due', 'LT', at_ms == now and now_text or text(at_ms), sender)
end

-- enter: let a lane into a ring; no credit for having slept. Returns 1 when it was not in it.
local function enter(key, lane, passed)
  if call('ZSCORE', key, lane.name) then return 0 end
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  call('ZADD', key, text(max(passed, tonumber(first[2] or 0))), lane.name)
  return 1
end

-- siblings: how many lanes of the lane's source stand in its ring; they share one weight.
local function siblings(lane)
  local source = source_of(lane.source)
  lane.ring_field = lane.ring_field or 'ring:' .. lane.sender .. ':' .. lane.priority
  local field = lane.ring_field
  source[field] = source[field] or tonumber(call('HGET', source.key, field) or 0)
  return source[field]
end

-- ring_count: a lane came into its sender's ring or left it; source, sender and portfolio count.
local function ring_count(lane, by)
  local source, field = source_of(lane.source), 'ring:' .. lane.sender .. ':' .. lane.priority
  source[field] = call('HINCRBY', source.key, field, by)
  call('HINCRBY', tag .. 's:' .. lane.sender, 'lanes' .. lane.priority, by)
  count_busy(lane.priority, by)
end

local function enter_wait(lane)
  enter(wait_key(lane), lane, lane.wait_passed)
  call('ZADD', tag .. 'waiting', 0, scope_of(lane.sender))
  now_has('waiting')
  forget_waiting()
end

-- wake: let a lane with jobs be served, unless its gate holds it asleep.
local function wake(lane)
  if lane.asleep then return end
  if call('EXISTS', lane.queue) == 1 then
    if enter(ring_key(lane), lane, lane.passed) == 1 then ring_count(lane, 1) end
    due_sooner(lane.sender, now)
  end
  if call('EXISTS', lane.parked) == 1 then
    enter_wait(lane)
    due_sooner(lane.sender, now)
  end
end

-- ended_with: the code with which a job's lane ended while it waited; nil when that did not happen.
local function ended_with(lane, sequence)
  if not meta.has.ended then return nil end
  if not lane.ended_until then
    local packed = call('HGET', tag .. 'ended', lane.number) or '0|0'
    local last, code = string.match(packed, '^(%d+)|(%d+)$')
    lane.ended_until, lane.ended_code = tonumber(last), tonumber(code)
  end
  return sequence <= lane.ended_until and lane.ended_code or nil
end
