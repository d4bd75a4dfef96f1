-- part_repeats: a lease becomes a doubt, and evidence cancels a repeat that waits.
--
-- Needs  part_settle.
-- doubt: a lease becomes a doubt, counted from the last moment the message may have been taken.
local function doubt(opened, since_ms)
  local letter = opened.hold > 0 and 'D' or 'd'
  if opened.hold > 0 then
    replace(opened.win, opened.recipient, opened.hold, since_ms)
    opened.hold = since_ms
  end
  opened.since, opened.doubted = since_ms, true
  call('HSET', tag .. 'open', opened.job, letter .. bytes6(since_ms) .. opened.row)
  now_has('doubts')
  forget_first('doubts')
  call('ZADD', tag .. 'doubts', since_ms + doubt_ms(category_of(opened.lane)), opened.job)
  count(opened.lane.source, 's:in_flight', -1)
  count(opened.lane.source, 's:in_doubt', 1)
end

-- cancel_repeat: a job that waits for a repeat ends: its first copy was accepted after all.
-- Returns false where its source or template ended meanwhile, and the job with it.
local function cancel_repeat(job, wamid)
  call('SREM', tag .. 'repeating', job)
  local sequence, lane, row = tonumber(string.match(job, '%d+$')), lane_of_job(job), nil
  local record = call('HGET', tag .. 'aside', job)
  if record then
    row = sub(record, 2)
    call('HDEL', tag .. 'aside', job)
    call('ZREM', tag .. 'later', job)
    forget_first('later')
    count(lane.source, 'w:' .. GATE_NAME[sub(record, 1, 1)], -1)
  elseif is_cancelled(lane, sequence) then
    return false
  else
    local wanted = bytes5(sequence)
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
  local packed = pack_end('A', 0, sub(row, 14, 15), 0, row_recipient(row), 0, wamid)
  write_end(lane, sequence, packed, 's:accepted')
  return true
end
