-- part_serve: take jobs through their gates and give them out, in fair order.
--
-- Needs  part_claim, part_rings and all gates. Mirror of adapters/memory/claim.py.
-- open  HASH  job -> state, moment 6, row
--   state F in flight until the moment, D in doubt since it; small letters hold no place
local STRIDE, WAITERS_MAX = 1000000, 32
local WINDOW_CLOSED_CODE = 131047
local in_flight, in_flight_free, jobs, names, opens

local function begin_serve()
  in_flight, in_flight_free = 'F' .. lease_bytes, 'f' .. lease_bytes
  jobs, names, opens = {}, {}, {}
end

-- give: a job the answer gives, as a run of one.
local function give(lane, record, slot_us)
  local at = #jobs
  jobs[at + 1], jobs[at + 2], jobs[at + 3] = lane.number, slot_us, 0
  jobs[at + 4], jobs[at + 5] = 1, record
end

local function end_row(lane, row, letter, field, code)
  local job = job_name(lane, row)
  if row_repeats(row) > 0 then -- nobody can say "never sent" of a job that followed a doubt
    call('SREM', tag .. 'repeating', job)
    letter, field = 'U', 's:unknown'
  end
  local packed = pack_end(letter, 0, sub(row, 14, 15), 0, row_recipient(row), code, '')
  write_end(lane, row_sequence(row), packed, field)
  return false
end

-- examine: whether a job's own gates let it go; where not, it has been put where it belongs.
-- Returns what the pair owes with it: until when, for how many messages.
local function examine(lane, row, recipient)
  if byte(row, 17) > 0 then
    if call('SISMEMBER', tag .. 'repeating', job_name(lane, row)) == 0 then
      lane.ghosts = lane.ghosts - 1
      call('HINCRBY', lane.key, 'ghosts', -1)
      return false
    end
    if byte(row, 17) > (source_of(lane.source).repeats or byte(row, 18)) then
      return end_row(lane, row, 'U', 's:unknown', 0)
    end
  end
  if is_expired(lane, row) then return end_row(lane, row, 'E', 's:expired', 0) end
  if some_suppressed and is_suppressed(lane, recipient) then
    refuse(lane.sender, 'suppression')
    return end_row(lane, row, 'S', 's:suppressed', 0)
  end
  if some_borders and is_behind(lane, row) then
    refuse(lane.sender, 'suppression')
    return end_row(lane, row, 'S', 's:suppressed', BORDER_CODE)
  end
  if lane.template == '' and not off.window and not in_window(lane, recipient) then
    refuse(lane.sender, 'window')
    return end_row(lane, row, 'F', 's:failed', WINDOW_CLOSED_CODE)
  end
  local owed_until, owed = pair_spent(lane, recipient)
  if owed > 0 and not off.pair and pair_ready(owed_until, owed) > now then
    refuse(lane.sender, 'pair')
    delay(lane, row, pair_ready(owed_until, owed), 'pair')
    return false
  end
  return true, owed_until, owed
end
