-- part_settlements: outcomes as settle and claim are told them, each applied to its job.
--
-- Needs  part_accepted, part_late, part_call.
-- ARGV[at]      count    outcomes that follow
-- ARGV[at + 1]  jobs     `count` jobs, then as many fences, kinds and details
--
-- A kind is A accepted, H accepted and held, X in doubt, N unwritten, R retry, D deferred,
-- F dropped; a detail is the wamid, `code|until_ms`, `gate|code|until_ms` or `code|strikes`.
--
-- Provides  settle_all(), flush_settled(), ignored.
local ignored -- jobs whose outcome changed nothing

local function begin_settlements() ignored = {} end

local function flush_settled()
  flush_accepted()
  flush_closed()
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
  local fences_at, kinds_at, details_at = at + outcomes, at + 2 * outcomes, at + 3 * outcomes
  local records = {}
  if outcomes > 0 then
    records = call('HMGET', tag .. 'open', unpack(argv, at + 1, at + outcomes))
  end
  local lanes_at, rests = ask_scores(records, at)
  local parsed = {} -- jobs that this call has opened: a job may be told of twice
  for i = 1, outcomes do
    local job, kind, detail = argv[at + i], argv[kinds_at + i], argv[details_at + i]
    local record, fence = records[i], argv[fences_at + i]
    if not (record and kind == 'A' and not parsed[job]
      and accept_plain(lanes_at[i], job, rests[i], record, fence, detail)) then
      is_plain, seen = false, note_gone(parsed, seen)
      local opened = parsed[job] or record and parse_open(job, record)
      parsed[job] = opened or nil
      if opened and not opened.gone and row_fence(opened.row) == tonumber(fence) then
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
