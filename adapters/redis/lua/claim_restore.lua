-- claim_restore: put jobs back under the leases they had before a tail was lost.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  count   jobs that follow
-- ARGV[4]  jobs    `count` jobs, then as many fences, lease ends, 1 or 0: counts, and
--                  names of their lanes
--
-- Returns  how many could not be found
local SCAN_MAX = 20000 -- rows of a lane looked at; a claim took from the front
local jobs, lost, restored = tonumber(argv[3]), 0, {}

local function take_from(lane, name, wanted)
  local at = 0
  repeat
    local rows = call('LRANGE', lane[name], at, at + 199)
    for _, row in ipairs(rows) do
      if sub(row, 1, 5) == wanted then
        call('LREM', lane[name], 1, row)
        if call('EXISTS', lane[name]) == 0 then
          if name == 'queue' then leave_ring(lane) else leave_wait(lane) end
        end
        return row
      end
    end
    at = at + 200
  until #rows < 200 or at >= SCAN_MAX
end

local function take_out(lane, job, sequence)
  local record = call('HGET', tag .. 'aside', job)
  if not record then
    local wanted = bytes5(sequence)
    return take_from(lane, 'queue', wanted) or take_from(lane, 'parked', wanted)
  end
  call('HDEL', tag .. 'aside', job)
  call('ZREM', tag .. 'later', job)
  count(lane.source, 'w:' .. GATE_NAME[sub(record, 1, 1)], -1)
  return sub(record, 2)
end

for i = 1, jobs do
  local job, fence = argv[3 + i], tonumber(argv[3 + jobs + i])
  local lease_until, counts = tonumber(argv[3 + 2 * jobs + i]), argv[3 + 3 * jobs + i] == '1'
  local number, sequence = tonumber(string.match(job, '^%d+')), tonumber(string.match(job, '%d+$'))
  local record = call('HGET', tag .. 'open', job)
  local is_known = number <= meta.lanes
    and call('HEXISTS', done_key(number, sequence), sequence) == 1
    or record and row_fence(sub(record, 8)) >= fence
  if not is_known then
    -- Since the tail was lost, another lane may have been given the number.
    local lane = number <= meta.lanes and lane_of(number)
    local ours = lane and table.concat({ lane.source, lane.sender, lane.template }, '\31') .. '\31'
    local told = argv[3 + 4 * jobs + i]
    local is_ours = ours and sub(told, 1, #ours) == ours
      and sub(told, #ours + 2) == (lane.zone ~= '' and '\31' .. lane.zone or '')
    local row = is_ours and take_out(lane, job, sequence)
    if row then
      row = with_fence(row, fence)
      call('SREM', tag .. 'repeating', job)
      call('HSET', tag .. 'open', job, (counts and 'F' or 'f') .. bytes6(lease_until) .. row)
      count(lane.source, 's:in_flight', 1)
      if counts then replace(window(scope_of(lane.sender)), row_recipient(row), 0, lease_until) end
      restored[#restored + 1] = job .. ':' .. fence
      restored.until_ms = restored.until_ms or lease_until
    else
      lost = lost + 1
    end
  end
end
if #restored > 0 then
  local claim = 'restored:' .. restored[1]
  call('HSET', tag .. 'claims', claim, table.concat(restored, ','))
  call('ZADD', tag .. 'leases', restored.until_ms, claim)
end
flush_counts()
flush_windows()
touch(#restored > 0)
return lost
