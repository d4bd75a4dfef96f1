-- part_recount: what the raw keys say of each source, to be held against its books.
--
-- Needs  part_slot, part_lanes.
-- Provides  seen, source -> field of its books -> recount; queued, source -> jobs in its lanes;
--           has_gap, source -> a bucket of its ends is gone; wrong, lines that tell what is.
local NAMES = { A = 'accepted', F = 'failed', E = 'expired', S = 'suppressed', U = 'unknown',
  C = 'cancelled' }
local STATUS = { 'held', 'sent', 'undelivered', 'delivered', 'read' }
local GATES = { S = 'schedule', P = 'pair', R = 'rate', T = 'retry' }
local ASIDE_BITE = 1000
local seen, queued, has_gap, wrong

local function begin_recount() seen, queued, has_gap, wrong = {}, {}, {}, {} end

local function add(source, field, by)
  seen[source] = seen[source] or {}
  seen[source][field] = (seen[source][field] or 0) + by
end

-- recount_ends: the ended jobs of a lane that one bucket keeps.
local function recount_ends(lane, bucket)
  local flat = call('HGETALL', tag .. 'done:' .. lane.number .. ':' .. bucket)
  if #flat == 0 then has_gap[lane.source] = true end
  for i = 2, #flat, 2 do
    local letter, rank = sub(flat[i], 1, 1), tonumber(sub(flat[i], 2, 2))
    add(lane.source, 's:' .. NAMES[letter], 1)
    if rank > 0 and letter == 'A' then add(lane.source, 'd:' .. STATUS[rank], 1) end
  end
end

local function recount_open()
  local open = call('HGETALL', tag .. 'open')
  for i = 1, #open, 2 do
    local state = find(open[i + 1], '^[Dd]') and 's:in_doubt' or 's:in_flight'
    add(lane_of_job(open[i]).source, state, 1)
    local waits = call('ZSCORE', tag .. 'doubts', open[i])
    if (state == 's:in_doubt') ~= (waits ~= false) then
      wrong[#wrong + 1] = open[i] .. ': doubt without its time'
    end
  end
end

local function recount_aside()
  local at, jobs = 0, nil
  repeat
    jobs = call('ZRANGE', tag .. 'later', at, at + ASIDE_BITE - 1)
    local kept = jobs[1] and call('HMGET', tag .. 'aside', unpack(jobs)) or {}
    for i, job in ipairs(jobs) do
      if kept[i] then add(lane_of_job(job).source, 'w:' .. GATES[sub(kept[i], 1, 1)], 1) end
    end
    at = at + ASIDE_BITE
  until #jobs < ASIDE_BITE
end

-- recount_live: all jobs that have not ended; `numbers` are all lanes.
local function recount_live(numbers)
  for _, number in ipairs(numbers) do
    local lane = lane_of(tonumber(number))
    local waiting = call('LLEN', lane.queue) + call('LLEN', lane.parked) - lane.ghosts
    queued[lane.source] = (queued[lane.source] or 0) + waiting
  end
  recount_open()
  recount_aside()
end

-- books_of: the books of a source, numbers only.
local function books_of(source)
  local flat, books = call('HGETALL', tag .. 'src:' .. source), {}
  for i = 1, #flat, 2 do books[flat[i]] = tonumber(flat[i + 1]) or 0 end
  return books
end
