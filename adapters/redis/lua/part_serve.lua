-- part_serve: take jobs through their gates and give them out, in fair order.
--
-- Needs  part_claim, part_rings and all gates. Mirror of adapters/memory/claim.py.
-- open  HASH  job -> state, moment 6, row
--   state F in flight until the moment, D in doubt since it; small letters hold no place
local STRIDE, WAITERS_MAX = 1000000, 32
local WINDOW_CLOSED_CODE = 131047
local jobs, names, opens = {}, {}, {}

local function end_row(lane, row, letter, state, code)
  local job = job_name(lane, row)
  if row_repeats(row) > 0 then call('SREM', tag .. 'repeating', job) end
  local packed = pack_end(letter, 0, sub(row, 14, 15), 0, row_recipient(row), code, '')
  write_end(lane, row_sequence(row), packed, state)
  return false
end

-- examine: whether a job's own gates let it go; where not, it has been put where it belongs.
local function examine(lane, row, recipient)
  if row_repeats(row) > 0 and
      call('SISMEMBER', tag .. 'repeating', job_name(lane, row)) == 0 then
    lane.ghosts = lane.ghosts - 1
    call('HINCRBY', lane.key, 'ghosts', -1)
    return false
  end
  if is_expired(row) then return end_row(lane, row, 'E', 'expired', 0) end
  if is_suppressed(lane, recipient) then
    refuse(lane.sender, 'suppression')
    return end_row(lane, row, 'S', 'suppressed', 0)
  end
  if lane.template == '' and not off.window and not in_window(lane, recipient) then
    refuse(lane.sender, 'window')
    return end_row(lane, row, 'F', 'failed', WINDOW_CLOSED_CODE)
  end
  local ready_ms = pair_ready(pair_horizon(lane, recipient))
  if ready_ms > now and not off.pair then
    refuse(lane.sender, 'pair')
    delay(lane, row, ready_ms, 'pair')
    return false
  end
  return true
end

-- grant: reserve place and send time, and put the job under a lease.
local function grant(lane, row, recipient)
  local horizon, counts = pair_horizon(lane, recipient), not in_window(lane, recipient)
  if counts then replace(window(scope_of(lane.sender)), recipient, 0, lease_until) end
  if horizon > now or not counts then pair_note(lane, recipient, horizon) end
  local fence = row_fence(row) + 1
  row = with_fence(row, fence)
  local job, sender, at = job_name(lane, row), load_sender(lane.sender), #jobs
  if row_repeats(row) > 0 then call('SREM', tag .. 'repeating', job) end
  local n = given * 2
  opens[n + 1], opens[n + 2] = job, (counts and 'F' or 'f') .. lease_bytes .. row
  names[n + 1], names[n + 2] = job, fence
  sender.turn, sender.moved = sender.turn + 1, true
  lane.granted = (lane.granted or 0) + 1
  if lane.priority > 1 then low_left = low_left - 1 end
  given = given + 1
  jobs[at + 1], jobs[at + 2], jobs[at + 3] = lane.number, row, take_slot(sender)
  jobs[at + 4] = counts and 1 or 0
end

local function put_to_sleep(lane, gate, key)
  refuse(lane.sender, gate)
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
end

local function sender_ready(name, priority)
  local sender = load_sender(name)
  if sender.closed then return false end
  if has_slot(sender, priority) then return true end
  sender.wants = min(sender.wants, ready_at(sender, priority))
  return false
end

local function take_parked(lane, ring)
  local row, recipient = pop(lane, 'parked')
  if examine(lane, row, recipient) then
    grant(lane, row, recipient)
    ring_charge(ring, lane.number, floor(STRIDE / source_of(lane.source).weight))
  end
  if not front(lane, 'parked') then
    lane.wait_passed = ring_leave(ring.key, lane)
    call('HSET', lane.key, 'wait_passed', lane.wait_passed)
  end
end
