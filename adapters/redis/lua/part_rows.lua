-- part_rows: a job as its lane queues it, and how it goes back to its lane or is kept aside.
--
-- uses: part_job_name
--
-- Needs  part_slot, part_lanes, part_sources, part_books.
-- A row is packed: sequence 5, recipient 8, fence 2, failures 1, repeats 1, repeats_max 1,
-- content 2, expires 6, due 6, then the tail that only the worker reads. It expires when its source
-- says, where that was changed since, else as it says itself; 0 is never. How often it may be
-- written again is its source's word in the same way.
-- aside      HASH  job -> gate letter and row; later  ZSET  job -> when it comes back
-- repeating  SET   jobs that wait to be written once more after a doubt
-- expiring   ZSET  lane -> not later than its first row expires: see part_expire
local GATE_LETTER = { schedule = 'S', pair = 'P', rate = 'R', retry = 'T' }
local GATE_NAME = { S = 'schedule', P = 'pair', R = 'rate', T = 'retry' }

local function row_sequence(row) return number5(row, 1) end
local function row_recipient(row) return sub(row, 6, 13) end
local function row_fence(row) return number2(row, 14) end
local function row_repeats(row) return byte(row, 17) end
local function row_expires(lane, row) return source_of(lane.source).expires or number6(row, 21) end

local function with_fence(row, fence) return sub(row, 1, 13) .. bytes2(fence) .. sub(row, 16) end
local function with_failures(row, n) return sub(row, 1, 15) .. char(n) .. sub(row, 17) end
local function with_repeats(row, n) return sub(row, 1, 16) .. char(n) .. sub(row, 18) end
local function with_due(row, due) return sub(row, 1, 26) .. bytes6(due) .. sub(row, 33) end

-- note_expiry: have rescue look at a lane when a row that came into it expires; 0 never does.
local function note_expiry(lane, expires_ms)
  if expires_ms == 0 or off.schedule then return end
  now_has('expiring')
  call('ZADD', tag .. 'expiring', 'LT', text(expires_ms), lane.number)
  forget_first('expiring')
end

local function next_rescue()
  return min(first_of('leases'), first_of('doubts'), first_of('expiring'))
end

local function is_cancelled(lane, sequence)
  return source_of(lane.source).state == 'cancelled' or ended_with(lane, sequence) ~= nil
end

-- end_cancelled: a job ends with its source, which says it for all, or with its template.
local function end_cancelled(lane, row)
  if row_repeats(row) > 0 then call('SREM', tag .. 'repeating', job_name(lane, row)) end
  if source_of(lane.source).state == 'cancelled' then
    count(lane.source, 's:cancelled', 1)
    ended = ended + 1
    return
  end
  local code = ended_with(lane, row_sequence(row))
  local packed = pack_end('C', 0, sub(row, 14, 15), 0, row_recipient(row), code, '')
  write_end(lane, row_sequence(row), packed, 's:cancelled')
end

-- put_back: a job goes to the front of its lane, unless its source or its template is over.
local function put_back(lane, row)
  if is_cancelled(lane, row_sequence(row)) then return end_cancelled(lane, row) end
  if row_repeats(row) > 0 then call('SADD', tag .. 'repeating', job_name(lane, row)) end
  call('LPUSH', lane.queue, row)
  note_expiry(lane, row_expires(lane, row))
  wake(lane)
end

-- delay: a job is kept aside behind `gate` until `until_ms`, or until it expires.
local function delay(lane, row, until_ms, gate)
  if is_cancelled(lane, row_sequence(row)) then return end_cancelled(lane, row) end
  local expires_ms = row_expires(lane, row)
  if expires_ms > 0 and not off.schedule then until_ms = min(until_ms, expires_ms) end
  local job = job_name(lane, row)
  if row_repeats(row) > 0 then call('SADD', tag .. 'repeating', job) end
  call('HSET', tag .. 'aside', job, GATE_LETTER[gate] .. row)
  call('ZADD', tag .. 'later', until_ms, job)
  now_has('later')
  forget_first('later')
  count(lane.source, 'w:' .. gate, 1)
end
