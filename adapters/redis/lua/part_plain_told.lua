-- part_plain_told: outcomes that are plain acceptances altogether, looked at first, written later.
--
-- Needs  part_lanes, part_books, part_log, part_accepted (hold_of). What it does to each job is
-- what settle_all would do.
-- ARGV[8]  count, kinds, fences, jobs, details: see part_settlements
--
-- What a call gathers is put over what the last one gathered: arrays that grow from nothing are
-- copied at each doubling, and all that is thrown away has to be swept. Who reads one says how far.
local JOBS_AT = 10
-- `fence_told` is what all were told with, nil where each has its own.
local told, stretched, fence_told, opened_told = 0, 0, nil, nil
-- Of each stretch: its first place, its lane, until when its jobs are held, as text. A stretch is
-- of one lane and of one bucket of ends.
local stretches = {}
-- Whose the jobs told of are, then those of the rows; scores and people as ZADD takes them.
local whom, scored = {}, {}
local ends_told, lines = {}, {}

-- look_at_told: whether all that is told may be plain; the window has its say in is_as_held.
local function look_at_told()
  told, stretched = (argv[8] or 0) + 0, 0
  if told == 0 then return argv[8] == nil end
  fence_told = sub(argv[10], 1, 2)
  if find(argv[9], '[^A]') then return false end
  if argv[10] ~= string.rep(fence_told, told) then fence_told = nil end
  opened_told = call('HMGET', tag .. 'open', unpack(argv, JOBS_AT + 1, JOBS_AT + told))
  local argv, sub, alike, records, whom = argv, sub, fence_told, opened_told, whom
  local head, prefix, width = nil, nil, 0
  for i = 1, told do
    local record, job = records[i], argv[JOBS_AT + i]
    local fence = alike or sub(argv[10], i * 2 - 1, i * 2)
    if not record or sub(record, 21, 22) ~= fence then return false end
    local begin = sub(record, 1, 11)
    if begin ~= head or sub(job, 1, width) ~= prefix then
      local hold, s = hold_of(record), stretched
      if not hold then return false end
      local lane = fact_of(tonumber(sub(job, 1, find(job, '.', 1, true) - 1)))
      stretches[s + 1], stretches[s + 2], stretches[s + 3], stretched = i, lane, text(hold), s + 3
      head, prefix, width = begin, lane.prefix, #lane.prefix
    end
    whom[i] = sub(record, 13, 20)
  end
  stretches[stretched + 1] = told + 1
  return true
end

-- is_as_held: whether the window says of each person what the job says. A job told of twice is no
-- plain one: who was `seen` has been told of.
local function is_as_held(scores, seen)
  for s = 1, stretched, 3 do
    local hold = stretches[s + 2]
    for i = stretches[s], stretches[s + 3] - 1 do
      local recipient = whom[i]
      if scores[i] ~= hold or seen[recipient] then return false end
      seen[recipient] = true
    end
  end
  return true
end

-- write_told: end those jobs as accepted.
local function write_told()
  call('HDEL', tag .. 'open', unpack(argv, JOBS_AT + 1, JOBS_AT + told))
  local argv, sub, now_text, whom, scored, fields, lines = argv, sub, now_text, whom, scored,
    ends_told, lines
  local moment, details_at, l = bytes6(now), JOBS_AT + told, 0
  local alike = fence_told and 'A0' .. fence_told .. moment
  for s = 1, stretched, 3 do
    local first, lane, past = stretches[s], stretches[s + 1], stretches[s + 3]
    local from, f = #lane.prefix + 1, 0
    for i = first, past - 1 do
      local job, recipient, at = argv[JOBS_AT + i], whom[i], i + i
      local begin = alike or 'A0' .. sub(argv[10], i * 2 - 1, i * 2) .. moment
      fields[f + 1] = sub(job, from)
      fields[f + 2] = begin .. recipient .. '\0\0\0\0' .. argv[details_at + i]
      lines[l + 1], lines[l + 2], lines[l + 3], lines[l + 4] = job, 'A+', recipient, moment
      scored[at - 1], scored[at] = now_text, recipient
      f, l = f + 2, l + 4
    end
    local key = done_key_of(lane, number5(opened_told[first], 8))
    call('HSET', key, unpack(fields, 1, f))
    renew(key, keep_ms)
    count(lane.source, 's:in_flight', first - past)
    count(lane.source, 's:accepted', past - first)
  end
  meta.ended, meta.sequence = meta.ended + told, meta.sequence + 1
  write_log(table.concat(lines, '', 1, l))
end
