-- settle: record how writes ended; leases end, places are kept or given back, gates close.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_sources
-- uses: part_standing part_rest part_books part_rows part_due part_doubts part_log part_call
-- uses: part_settle part_dead part_repeats part_outcomes part_apply part_late part_accepted
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      how long a claim holds
-- ARGV[6]   keep_ms       how long ended jobs are kept
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   doubt_ms      doubt time of authentication,
-- ARGV[9]   doubt_ms      of service,
-- ARGV[10]  doubt_ms      of utility,
-- ARGV[11]  doubt_ms      and of marketing
-- ARGV[12]  attempts_max  definite failures before a job is dropped
-- ARGV[13]  count         outcomes that follow
-- ARGV[14]  jobs          `count` jobs, then as many fences, kinds and details
--
-- A kind is A accepted, H accepted and held, X in doubt, N unwritten, R retry, D deferred,
-- F dropped; a detail is the wamid, `code|until_ms`, `gate|code|until_ms` or `code|strikes`.
--
-- Returns  { sequence, due_ms, ignored, closed }
--   ignored  jobs whose outcome changed nothing
--   closed   gate, key, ... that this call closed
local attempts_max, outcomes = tonumber(argv[12]), tonumber(argv[13])
local fences_at, kinds_at, details_at = 13 + outcomes, 13 + 2 * outcomes, 13 + 3 * outcomes
local listed, ignored = {}, {}
for i = 1, outcomes do listed[i] = argv[13 + i] end
local records = outcomes > 0 and call('HMGET', tag .. 'open', unpack(listed)) or {}
local lanes_at, rests = ask_scores(listed, records)

local parsed = {} -- jobs that this call has opened: a job may be told of twice
for i = 1, outcomes do
  local job, kind, detail = listed[i], argv[kinds_at + i], argv[details_at + i]
  local record, fence = records[i], argv[fences_at + i]
  if record and not parsed[job] and kind == 'A'
    and accept_plain(lanes_at[i], rests[i], record, fence, detail) then
    parsed[job] = GONE
  else
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
flush_accepted()
flush_closed()
flush_dead()
flush_ends(keep_ms)
flush_counts()
flush_windows()
call_waiters()
touch(true)
flush_log()
return { meta.sequence, next_due(), ignored, news }
