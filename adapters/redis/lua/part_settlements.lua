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
local ignored = {} -- jobs whose outcome changed nothing

local function begin_settlements()
  if ignored[1] then ignored = {} end
end

local function flush_settled()
  flush_accepted()
  flush_closed()
  flush_dead()
  flush_ends(keep_ms)
  flush_counts()
  flush_windows()
end

-- note_gone: plain acceptances are noted only when an outcome comes that is none.
local function note_gone(parsed, seen)
  for i = seen + 1, #closed_jobs do
    local job = closed_jobs[i]
    parsed[job] = parsed[job] or GONE
  end
  return #closed_jobs
end

-- settle_all: apply every outcome; what plain acceptances changed is written by who ends the call.
local function settle_all(at, attempts_max)
  local outcomes, is_plain, seen = tonumber(argv[at]), true, 0
  local kinds, fences, jobs_at = argv[at + 1], argv[at + 2], at + 2
  local details_at = jobs_at + outcomes
  local records = {}
  if outcomes > 0 then
    records = call('HMGET', tag .. 'open', unpack(argv, jobs_at + 1, details_at))
  end
  local lanes_at, rests = ask_scores(records, jobs_at)
  local parsed = {} -- jobs that this call has opened: a job may be told of twice
  for i = 1, outcomes do
    local job, detail = argv[jobs_at + i], argv[details_at + i]
    local record, kind, fence = records[i], byte(kinds, i), sub(fences, i * 2 - 1, i * 2)
    if not (record and kind == 65 and not parsed[job]
      and accept_plain(lanes_at[i], job, rests[i], record, fence, detail)) then
      is_plain, seen = false, note_gone(parsed, seen)
      kind = char(kind)
      local opened = parsed[job] or record and parse_open(job, record)
      parsed[job] = opened or nil
      if opened and not opened.gone and sub(opened.row, 14, 15) == fence then
        apply(opened, kind, detail, attempts_max)
        note(job, kind, opened.hold > 0, opened.recipient)
      else
        take_late(opened, job, kind, detail)
        ignored[#ignored + 1] = job
      end
    end
  end
  if not is_plain then flush_settled() end -- who counts now is looked at next
  call_waiters()
end
