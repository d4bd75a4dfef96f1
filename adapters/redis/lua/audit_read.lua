-- audit_read: recount everything from the raw keys; say what does not agree with the books.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       see part_terms
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   most          ended jobs it may read: half a million take a second
--
-- Returns  { kept, lines }: ended jobs that are kept, and what is wrong, best nothing; no line
-- tells anything where there are more than `most`. It reads every job: not for a busy ledger.
--
-- Ends are kept for keep_ms, a bucket at a time. Where a source's jobs are not all here and one of
-- its buckets is gone, or any lane is, fewer ends than the books have is what one must expect.
local NAMES = { A = 'accepted', F = 'failed', E = 'expired', S = 'suppressed', U = 'unknown',
  C = 'cancelled' }
local STATUS = { 'held', 'sent', 'undelivered', 'delivered', 'read' }
local kept, numbers = 0, call('ZRANGE', tag .. 'numbers', 0, -1)
for _, number in ipairs(numbers) do
  local last = tonumber(call('HGET', tag .. 'lane:' .. number, 'last'))
  for bucket = 0, floor(last / 4096) do
    kept = kept + call('HLEN', tag .. 'done:' .. number .. ':' .. bucket)
  end
end
if kept > tonumber(argv[8]) then return { kept, {} } end
local seen, queued, wrong, sources, has_gap, here = {}, {}, {}, {}, {}, {}

local function add(source, field, by)
  seen[source] = seen[source] or {}
  seen[source][field] = (seen[source][field] or 0) + by
  if sub(field, 1, 2) ~= 'd:' then here[source] = (here[source] or 0) + by end
end

local function source_of_job(job) return lane_of_job(job).source end

for _, number in ipairs(numbers) do
  local lane = lane_of(tonumber(number))
  sources[lane.source] = true
  local waiting = call('LLEN', lane.queue) + call('LLEN', lane.parked) - lane.ghosts
  queued[lane.source] = (queued[lane.source] or 0) + waiting
  local last = tonumber(call('HGET', lane.key, 'last'))
  for bucket = 0, floor(last / 4096) do
    local flat = call('HGETALL', tag .. 'done:' .. number .. ':' .. bucket)
    if #flat == 0 then has_gap[lane.source] = true end
    for i = 2, #flat, 2 do
      add(lane.source, 's:' .. NAMES[sub(flat[i], 1, 1)], 1)
      local rank = tonumber(sub(flat[i], 2, 2))
      if rank > 0 and sub(flat[i], 1, 1) == 'A' then add(lane.source, 'd:' .. STATUS[rank], 1) end
    end
  end
end
local open = call('HGETALL', tag .. 'open')
for i = 1, #open, 2 do
  local state = find(open[i + 1], '^[Dd]') and 's:in_doubt' or 's:in_flight'
  add(source_of_job(open[i]), state, 1)
  local waits = call('ZSCORE', tag .. 'doubts', open[i])
  if (state == 's:in_doubt') ~= (waits ~= false) then
    wrong[#wrong + 1] = open[i] .. ': doubt without its time'
  end
end
local GATES = { S = 'schedule', P = 'pair', R = 'rate', T = 'retry' }
local aside = call('HGETALL', tag .. 'aside')
for i = 1, #aside, 2 do
  add(source_of_job(aside[i]), 'w:' .. GATES[sub(aside[i + 1], 1, 1)], 1)
end
for source in pairs(sources) do
  local flat, total, books = call('HGETALL', tag .. 'src:' .. source), queued[source], {}
  for i = 1, #flat, 2 do books[flat[i]] = tonumber(flat[i + 1]) or 0 end
  local is_less = total + (here[source] or 0) < books.enqueued
  local forgets = is_less and (has_gap[source] or #numbers < meta.lanes)
  for field, value in pairs(books) do
    local kind = sub(field, 1, 2)
    if kind == 's:' or kind == 'w:' then total = total + value end
    local recount = seen[source] and seen[source][field] or 0
    local is_counted = kind == 's:' or kind == 'w:' or kind == 'd:'
    local is_forgotten = forgets and recount < value
    if is_counted and field ~= 's:cancelled' and recount ~= value and not is_forgotten then
      wrong[#wrong + 1] = source .. ': ' .. field .. ' ' .. value .. ', recount ' .. recount
    end
  end
  if total ~= books.enqueued then
    wrong[#wrong + 1] = source .. ': enqueued ' .. books.enqueued .. ', states add up to ' .. total
  end
end
return { kept, wrong }
