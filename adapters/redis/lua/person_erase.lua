-- person_erase: forget a person's messages, a bite at a time; queued ones are never sent.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due
--
-- KEYS[1]  tag        begin of every key of the portfolio
-- ARGV[1]  now_ms     epoch ms
-- ARGV[2]  terms      see part_terms
-- ARGV[3]  part       queue or parked (lists of a lane), done, aside, open, dead_rows, pairs or
--                     lanes
-- ARGV[4]  lane       its number, 0 where the part is of no lane
-- ARGV[5]  cursor     where to go on: 0, then what the last bite returned
-- ARGV[6]  recipient  the ids of the person, as many as there are
--
-- Returns  { cursor, found }, or of `lanes` the numbers of some that come after `cursor`
--   cursor  '0' when this part is through
--   found   jobs that were forgotten, or of `open` those that cannot be yet
--
-- A list is read from its end: what claims take from its front moves nothing there. A job that
-- waits for a repeat stays in its list: it may be a ghost, and ends when its turn comes.
local BITE, LANES_MAX, ERASED = 1000, 20, 'erased'
local part, lane_number, cursor = argv[3], tonumber(argv[4]), argv[5]
local is_wanted, found, following = {}, 0, '0'
for i = 6, #argv do is_wanted[argv[i]] = true end

local function end_unsent(lane, row)
  local letter, field = 'S', 's:suppressed'
  if row_repeats(row) > 0 then letter, field = 'U', 's:unknown' end
  local packed = pack_end(letter, 0, sub(row, 14, 15), 0, row_recipient(row), 0, '')
  write_end(lane, row_sequence(row), packed, field)
  found = found + 1
end

if part == 'lanes' then
  return call('ZRANGEBYSCORE', tag .. 'numbers', '(' .. cursor, '+inf', 'LIMIT', 0, LANES_MAX)
elseif part == 'queue' or part == 'parked' then
  local lane, from = lane_of(lane_number), tonumber(cursor)
  local rows = call('LRANGE', lane[part], -from - BITE, -from - 1)
  for _, row in ipairs(rows) do
    if is_wanted[row_recipient(row)] and row_repeats(row) == 0 then
      call('LREM', lane[part], -1, row)
      end_unsent(lane, row)
    end
  end
  if #rows == BITE then following = text(from + BITE - found) end
  if found > 0 and call('EXISTS', lane[part]) == 0 then
    if part == 'queue' then leave_ring(lane) else leave_wait(lane) end
  end
elseif part == 'done' then
  local bucket = tonumber(cursor)
  local last = tonumber(call('HGET', tag .. 'lane:' .. lane_number, 'last') or 0)
  local key = tag .. 'done:' .. lane_number .. ':' .. text(bucket)
  local flat = call('HGETALL', key)
  for i = 2, #flat, 2 do
    if #flat[i] > 22 and is_wanted[sub(flat[i], 11, 18)] and sub(flat[i], 23) ~= ERASED then
      call('HSET', key, flat[i - 1], sub(flat[i], 1, 22) .. ERASED)
      found = found + 1
    end
  end
  if bucket < floor(last / 4096) then following = text(bucket + 1) end
elseif part == 'pairs' then
  for _, sender in ipairs(call('SMEMBERS', tag .. 'senders')) do
    for recipient in pairs(is_wanted) do
      call('ZREM', tag .. 'service', sender .. ':' .. recipient)
    end
  end
else
  local page = call('HSCAN', tag .. part, cursor, 'COUNT', BITE)
  following = page[1]
  for i = 1, #page[2], 2 do
    local job, record = page[2][i], page[2][i + 1]
    local row = sub(record, part == 'open' and 8 or 2)
    if part == 'dead_rows' then
      if is_wanted[row_recipient(record)] then
        call('HDEL', tag .. 'dead_rows', job)
        call('ZREM', tag .. 'dead_at', job)
        found = found + 1
      end
    elseif is_wanted[row_recipient(row)] and part == 'open' then
      found = found + 1
    elseif is_wanted[row_recipient(row)] then
      call('HDEL', tag .. 'aside', job)
      call('ZREM', tag .. 'later', job)
      call('SREM', tag .. 'repeating', job)
      count(lane_of_job(job).source, 'w:' .. GATE_NAME[sub(record, 1, 1)], -1)
      end_unsent(lane_of_job(job), row)
    end
  end
end
flush_ends(keep_ms)
flush_counts()
touch(found > 0)
return { following, found }
