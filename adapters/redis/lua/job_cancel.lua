-- job_cancel: end one job that waits, unless a byte of it may have left already.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_log
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  lane      number of its lane
-- ARGV[4]  sequence  its place there
--
-- Returns  what became of it
--   '' no such job, cancelled (now or before), in_flight, in_doubt, repeating, ended, unfound
--
-- Its dedupe value stays: the same key again is still this job. A job that waits for a repeat may
-- have been sent, and is left alone. Mirror of adapters/memory/cancel.py.
--
-- Rows stand in the order of their sequences, but for those that came back to the front: a search
-- by halves and a look at the front find nearly all, a walk the rest, as long as it is short.
local NEAR, BITE, WALK_MAX = 200, 1000, 50000
local number, sequence = tonumber(argv[3]), tonumber(argv[4])
if number < 1 or number > meta.lanes then return '' end
local lane = lane_of(number)
if sequence < 1 or sequence > tonumber(call('HGET', lane.key, 'last') or 0) then return '' end
local job, wanted, is_whole = number .. '.' .. text(sequence), bytes5(sequence), true

local function look(list, from, to)
  for _, row in ipairs(call('LRANGE', list, from, to)) do
    if sub(row, 1, 5) == wanted then return row end
  end
end

local function find_row(list)
  local length = call('LLEN', list)
  local low, high, at, row = 0, length - 1, 0, nil
  while low < high do
    local middle = floor((low + high) / 2)
    if row_sequence(call('LINDEX', list, middle)) < sequence then
      low = middle + 1
    else
      high = middle
    end
  end
  row = look(list, max(0, low - NEAR), low + NEAR)
  while not row and at < min(length, WALK_MAX) do
    row, at = look(list, at, at + BITE - 1), at + BITE
  end
  is_whole = is_whole and length <= WALK_MAX
  return row
end

local function take_out()
  local record = call('HGET', tag .. 'aside', job)
  if record then
    call('HDEL', tag .. 'aside', job)
    call('ZREM', tag .. 'later', job)
    count(lane.source, 'w:' .. GATE_NAME[sub(record, 1, 1)], -1)
    return sub(record, 2)
  end
  for _, list in ipairs({ lane.queue, lane.parked }) do
    local row = find_row(list)
    if row then
      call('LREM', list, 1, row)
      if call('EXISTS', lane.queue) == 0 then leave_ring(lane) end
      if call('EXISTS', lane.parked) == 0 then leave_wait(lane) end
      return row
    end
  end
end

local done = call('HGET', done_key(number, sequence), sequence)
if done then return sub(done, 1, 1) == 'C' and 'cancelled' or 'ended' end
local record = call('HGET', tag .. 'open', job)
if record then return find(record, '^[Dd]') and 'in_doubt' or 'in_flight' end
-- The queues of what was cancelled are gone, whatever was to be repeated among them.
local is_there = not is_cancelled(lane, sequence) or call('HEXISTS', tag .. 'aside', job) == 1
if is_there and call('SISMEMBER', tag .. 'repeating', job) == 1 then return 'repeating' end
local row = take_out()
if not row then
  if is_cancelled(lane, sequence) then return 'cancelled' end
  return is_whole and 'ended' or 'unfound'
end
local packed = pack_end('C', 0, sub(row, 14, 15), 0, row_recipient(row), 0, '')
write_end(lane, sequence, packed, 's:cancelled')
note(job, 'C', false, row_recipient(row))
flush_ends(keep_ms)
flush_counts()
flush_log()
touch(true)
return 'cancelled'
