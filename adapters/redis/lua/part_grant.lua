-- part_grant: a job that passed its gates gets its place, its send time and its lease.
--
-- Needs  part_serve.
-- grant: reserve place and send time, and put the job under a lease.
local function grant(lane, row, recipient, owed_until, owed)
  local counts = not some_windows or not in_window(lane, recipient)
  if counts then replace(lane.win, recipient, 0, lease_until) end
  if owed > 0 or not counts then pair_note(lane, recipient, owed_until, owed) end
  local job, fence = job_name(lane, row), number2(row, 14) + 1
  if byte(row, 17) > 0 then call('SREM', tag .. 'repeating', job) end
  local record = (counts and in_flight or in_flight_free) .. sub(row, 1, 13) .. bytes2(fence)
    .. sub(row, 16)
  local sender, n = lane.from, #opens
  opens[n + 1], opens[n + 2] = job, record
  names[#names + 1] = fence > 1 and job .. ':' .. digits(fence) or job
  give(lane, record, take_slot(sender))
  sender.turn, sender.moved = sender.turn + 1, true
  if is_slowed(sender, lane) then take_share(sender, 1) end
  lane.granted, given = lane.granted + 1, given + 1
  if lane.is_low then low_left = low_left - 1 end
end

local function put_to_sleep(lane, gate, key)
  local passed = ring_leave(ring_key(lane), lane)
  if passed then
    lane.passed = passed
    ring_count(lane, -1)
  end
  local waited = ring_leave(wait_key(lane), lane)
  lane.wait_passed = waited or lane.wait_passed
  lane.asleep = true
  call('HSET', lane.key, 'asleep', '1', 'passed', lane.passed,
    'wait_passed', lane.wait_passed)
  call('SADD', tag .. 'asleep:' .. gate .. ':' .. key, lane.number)
  if gate == 'schedule' and lane.gate_until < FOREVER then
    call('ZADD', tag .. 'openings', text(lane.gate_until), 'quiet:' .. key)
    now_has('openings')
    forget_first('openings')
  end
end

local function sender_ready(sender, lane)
  local slowed = is_slowed(sender, lane)
  if has_slot(sender, lane.priority, slowed) then return true end
  sender.wants = min(sender.wants, ready_at(sender, lane.priority, slowed))
  return false
end

local function take_parked(lane, ring)
  local row, recipient = pop(lane.kept)
  local is_let, owed_until, owed = examine(lane, row, recipient)
  if is_let then
    grant(lane, row, recipient, owed_until, owed)
    if #ring.list > 1 then -- alone it owes nobody
      ring_charge(ring, lane.number, floor(STRIDE / source_of(lane.source).weight))
    end
  end
  if not has_row(lane, lane.kept) then
    lane.wait_passed = ring_leave(ring.key, lane)
    call('HSET', lane.key, 'wait_passed', lane.wait_passed)
  end
end
