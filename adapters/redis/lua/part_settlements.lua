-- part_settlements: outcomes as settle and claim are told them, each applied to its job.
--
-- Needs  part_accepted, part_late, part_call, part_dead.
-- ARGV[at]      count    outcomes that follow
-- ARGV[at + 1]  kinds    a letter for each
-- ARGV[at + 2]  fences   two bytes for each
-- ARGV[at + 3]  jobs     `count` jobs, then as many details
--
-- A kind is A accepted, H accepted and held, X in doubt, N unwritten, R retry, D deferred,
-- F dropped, S suppressed; a detail is the wamid, `code|until_ms`, `gate|code|until_ms`,
-- `code|strikes` and maybe `!` and what no longer fits, or the code.
--
-- Provides  settle_all(), flush_settled(), ignored.
local GONE = { gone = true }
local ignored, parsed, seen = {}, {}, 0 -- jobs whose outcome changed nothing; jobs that were opened

local function begin_settlements()
  if ignored[1] then ignored = {} end
  if next(parsed) then parsed = {} end
  seen = 0
end

local function flush_settled()
  flush_accepted()
  flush_closed()
  flush_dead()
  flush_ends(keep_ms)
  flush_counts()
  flush_windows()
end

-- note_gone: what was accepted in a run is noted only when an outcome comes that is not plain.
local function note_gone()
  for i = seen + 1, #closed_jobs do
    local job = closed_jobs[i]
    parsed[job] = parsed[job] or GONE
  end
  seen = #closed_jobs
end

-- settle_one: any outcome but a plain acceptance. A job may be told of twice.
local function settle_one(job, record, kind, fence, detail)
  note_gone()
  local opened = parsed[job] or record and parse_open(job, record)
  parsed[job] = opened or nil
  if opened and not opened.gone and sub(opened.row, 14, 15) == fence then
    apply(opened, kind, detail)
    note(job, kind, opened.hold > 0, opened.recipient)
  else
    take_late(opened, job, kind, detail)
    ignored[#ignored + 1] = job
  end
end

-- settle_all: apply every outcome; what plain acceptances changed is written by who ends the call.
local function settle_all(at)
  local outcomes, kinds, fences = tonumber(argv[at]), argv[at + 1], argv[at + 2]
  local jobs_at, fence = at + 2, sub(fences, 1, 2)
  local details_at = jobs_at + outcomes
  if outcomes == 0 then return call_waiters() end
  if fences ~= string.rep(fence, outcomes) then fence = nil end
  local records = call('HMGET', tag .. 'open', unpack(argv, jobs_at + 1, details_at))
  ask_scores(records, jobs_at)
  local i, is_plain = 1, true
  while i <= outcomes do
    local _, last = find(kinds, '^A+', i)
    if last then
      i = accept_run(records, jobs_at, details_at, i, last, fence, fences)
    end
    if i <= outcomes and not (last and i > last) then
      is_plain = false
      local told = fence or sub(fences, i * 2 - 1, i * 2)
      local job, detail = argv[jobs_at + i], argv[details_at + i]
      settle_one(job, records[i], sub(kinds, i, i), told, detail)
      i = i + 1
    end
  end
  if not is_plain then flush_settled() end -- who counts now is looked at next
  call_waiters()
end
