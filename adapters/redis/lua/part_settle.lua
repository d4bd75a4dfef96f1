-- part_settle: how a lease or a doubt ends, and what becomes of the job's place.
--
-- Needs  part_slot, part_window, part_lanes, part_books, part_rows; doubts (category -> ms).
-- open       HASH  job -> state (F in flight, D in doubt), hold 6, row
-- deadlines  ZSET  job -> when its lease, or its doubt, runs out
--
-- Mirror of adapters/memory/settle.py.
local function parse_open(job, record)
  local number, sequence = string.match(job, '^(%d+)%.(%d+)$')
  return { job = job, doubted = sub(record, 1, 1) == 'D', hold = number6(record, 2),
    row = sub(record, 8), lane = lane_of(tonumber(number)), sequence = tonumber(sequence) }
end

local closed_jobs = {}

local function flush_closed()
  for i = 1, #closed_jobs, 200 do
    local upto = min(i + 199, #closed_jobs)
    call('HDEL', tag .. 'open', unpack(closed_jobs, i, upto))
    call('ZREM', tag .. 'deadlines', unpack(closed_jobs, i, upto))
  end
  closed_jobs = {}
end

-- close: end a lease or a doubt; its hold gives way to `proof` (0: to nothing).
local function close(opened, proof)
  if opened.hold > 0 then
    replace(window(scope_of(opened.lane.sender)), row_recipient(opened.row), opened.hold, proof)
  end
  closed_jobs[#closed_jobs + 1] = opened.job
  opened.gone = true
  count(opened.lane.source, opened.doubted and 's:in_doubt' or 's:in_flight', -1)
end

local function end_open(opened, letter, state, delivery, mark, code, wamid)
  local row = opened.row
  local packed = pack_end(letter, delivery, row_fence(row), mark, row_recipient(row), code, wamid)
  write_end(opened.lane, opened.sequence, packed, state)
end

-- accept: the job ends accepted; its place is kept, counted from now.
local function accept(opened, wamid, held)
  local mark = opened.hold > 0 and now or 0
  close(opened, mark)
  end_open(opened, 'A', 'accepted', held and 1 or 0, mark, 0, wamid)
  if held then count(opened.lane.source, 'd:held', 1) end
end

-- doubt: a lease becomes a doubt, counted from the last moment the message may have been taken.
local function doubt(opened, since_ms)
  if opened.hold > 0 then
    replace(window(scope_of(opened.lane.sender)), row_recipient(opened.row), opened.hold, since_ms)
    opened.hold = since_ms
  end
  opened.doubted = true
  call('HSET', tag .. 'open', opened.job, 'D' .. bytes6(opened.hold) .. opened.row)
  local until_ms = since_ms + doubts[category_of(opened.lane)]
  call('ZADD', tag .. 'deadlines', text(until_ms), opened.job)
  count(opened.lane.source, 's:in_flight', -1)
  count(opened.lane.source, 's:in_doubt', 1)
end

-- cancel_repeat: a job that waits for a repeat ends: its first copy was accepted after all.
-- Returns false where its source was cancelled meanwhile, and the job with it.
local function cancel_repeat(job, wamid)
  call('SREM', tag .. 'repeating', job)
  local number, sequence = string.match(job, '^(%d+)%.(%d+)$')
  local lane, row = lane_of(tonumber(number)), nil
  local record = call('HGET', tag .. 'aside', job)
  if record then
    row = sub(record, 2)
    call('HDEL', tag .. 'aside', job)
    call('ZREM', tag .. 'later', job)
    count(lane.source, 'w:' .. GATE_NAME[sub(record, 1, 1)], -1)
  elseif is_cancelled(lane) then
    return false
  else
    local wanted = bytes5(tonumber(sequence))
    for _, name in ipairs({ 'queue', 'parked' }) do
      local at = 0
      repeat -- near the front: repeats are put there
        local rows = call('LRANGE', lane[name], at, at + 99)
        for _, found in ipairs(rows) do
          if sub(found, 1, 5) == wanted then row = found end
        end
        at = at + 100
      until row or #rows < 100
    end
    call('HINCRBY', lane.key, 'ghosts', 1)
  end
  local packed = pack_end('A', 0, row_fence(row), 0, row_recipient(row), 0, wamid)
  write_end(lane, tonumber(sequence), packed, 'accepted')
  return true
end
