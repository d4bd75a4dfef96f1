-- part_rest: lanes leave their rings, sleep behind a gate, and wake when it opens.
--
-- Needs  part_slot, part_window, part_lanes.

local function leave(key, lane)
  local passed = call('ZSCORE', key, lane.name)
  if passed then call('ZREM', key, lane.name) end
  return passed and tonumber(passed)
end

local function leave_ring(lane)
  local passed = leave(ring_key(lane), lane)
  if passed then
    lane.passed = passed
    call('HSET', lane.key, 'passed', passed)
    ring_count(lane, -1)
  end
end

local function leave_wait(lane)
  local passed = leave(wait_key(lane), lane)
  if not passed then return end
  lane.wait_passed = passed
  call('HSET', lane.key, 'wait_passed', passed)
  local scope = scope_of(lane.sender)
  for priority = 0, 3 do
    if call('EXISTS', tag .. 'wait:' .. scope .. ':' .. priority) == 1 then return end
  end
  call('ZREM', tag .. 'waiting', scope)
  forget_waiting()
end

local function open_gate(gate, key)
  local sleeping = call('SMEMBERS', tag .. 'asleep:' .. gate .. ':' .. key)
  call('DEL', tag .. 'asleep:' .. gate .. ':' .. key)
  for i, number in ipairs(sleeping) do sleeping[i] = tonumber(number) end
  table.sort(sleeping)
  for _, number in ipairs(sleeping) do
    local lane = lane_of(number)
    lane.asleep = false
    call('HSET', lane.key, 'asleep', '0')
    wake(lane)
  end
end
