-- part_plain_told: outcomes that are plain acceptances altogether, looked at first, written later.
--
-- Needs  part_lanes, part_books, part_log, part_accepted (hold_of). What it does to each job is
-- what settle_all would do.
-- ARGV[8]  count, kinds, fences, jobs, details: see part_settlements
--
-- A stretch is of one lane and of one bucket of ends, and its jobs are held until one moment.
local JOBS_AT = 10
local told, fence_told, records, stretches

-- look_at_told: put whose jobs they are into `people`, and what the window should say of each
-- into `held`; false where an outcome is no plain acceptance.
local function look_at_told(people, held)
  told, stretches = (argv[8] or 0) + 0, {}
  if told == 0 then return argv[8] == nil end
  fence_told = sub(argv[10], 1, 2)
  if find(argv[9], '[^A]') or argv[10] ~= string.rep(fence_told, told) then return false end
  records = call('HMGET', tag .. 'open', unpack(argv, JOBS_AT + 1, JOBS_AT + told))
  local argv, sub, fence, records = argv, sub, fence_told, records
  local head, hold, prefix, width = nil, nil, nil, 0
  for i = 1, told do
    local record, job = records[i], argv[JOBS_AT + i]
    if not record or sub(record, 21, 22) ~= fence then return false end
    local begin = sub(record, 1, 11)
    if begin ~= head or sub(job, 1, width) ~= prefix then
      local moment = hold_of(record)
      if not moment then return false end
      local lane = fact_of(tonumber(sub(job, 1, find(job, '.', 1, true) - 1)))
      local at = #stretches
      stretches[at + 1], stretches[at + 2] = i, lane
      head, hold, prefix, width = begin, text(moment), lane.prefix, #lane.prefix
    end
    people[i], held[i] = sub(record, 13, 20), hold
  end
  return true
end

-- write_told: end those jobs as accepted; what that changes of the window is put into `adds`.
local function write_told(people, adds)
  call('HDEL', tag .. 'open', unpack(argv, JOBS_AT + 1, JOBS_AT + told))
  logged = array(told)
  local argv, sub, now_text, logged = argv, sub, now_text, logged
  local moment, details_at = bytes6(now), JOBS_AT + told
  local begin = 'A0' .. fence_told .. moment
  for s = 1, #stretches, 2 do
    local first, last, lane = stretches[s], (stretches[s + 2] or told + 1) - 1, stretches[s + 1]
    local from, a = #lane.prefix + 1, first * 2 - 2
    local fields = ends_of(lane, number5(records[first], 8), last - first + 1)
    local at = #fields
    for i = first, last do
      local job, recipient = argv[JOBS_AT + i], people[i]
      fields[at + 1] = sub(job, from)
      fields[at + 2] = begin .. recipient .. '\0\0\0\0' .. argv[details_at + i]
      logged[i] = job .. 'A+' .. recipient .. moment
      adds[a + 1], adds[a + 2] = now_text, recipient
      at, a = at + 2, a + 2
    end
    count(lane.source, 's:in_flight', first - last - 1)
    count(lane.source, 's:accepted', last - first + 1)
  end
  ended = ended + told
  flush_log()
end
