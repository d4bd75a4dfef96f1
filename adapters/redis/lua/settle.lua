-- settle: record how writes ended; leases end, places are kept or given back, gates close.
--
-- uses: part_slot part_bytes part_terms part_window part_proofs part_lanes part_standing part_rest
-- uses: part_books part_rows part_due part_doubts part_log part_call part_settle
-- uses: part_repeats part_outcomes
-- uses: part_apply
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
local listed, recipients, ignored = {}, {}, {}
for i = 1, outcomes do listed[i] = argv[13 + i] end
local records = outcomes > 0 and call('HMGET', tag .. 'open', unpack(listed)) or {}

-- The scores of the whole batch are read at once, scope by scope.
local parsed = {}
for i = 1, outcomes do
  if records[i] then
    local opened = parsed[listed[i]] or parse_open(listed[i], records[i])
    records[i], parsed[listed[i]] = opened, opened
    local scope = scope_of(opened.lane.sender)
    local members = recipients[scope] or {}
    recipients[scope] = members
    members[#members + 1] = opened.recipient
  end
end
for scope, members in pairs(recipients) do fetch_scores(window(scope), members) end

for i = 1, outcomes do
  local fence = tonumber(argv[13 + outcomes + i])
  local kind, detail = argv[13 + 2 * outcomes + i], argv[13 + 3 * outcomes + i]
  local opened = records[i]
  if opened and not opened.gone and row_fence(opened.row) == fence then
    apply(opened, kind, detail, attempts_max)
    note(listed[i], kind, opened.hold > 0, opened.recipient)
  else
    if (kind == 'A' or kind == 'H') and opened and not opened.gone then
      accept(opened, detail, kind == 'H') -- an earlier copy was taken: a later one needs not be
      note(listed[i], kind, opened.hold > 0, opened.recipient)
    elseif kind == 'A' or kind == 'H' then
      take_as_evidence(listed[i], detail)
    end
    ignored[#ignored + 1] = listed[i]
  end
end
flush_closed()
flush_ends(keep_ms)
flush_counts()
flush_windows()
call_waiters()
touch(true)
flush_log()
return { meta.sequence, next_due(), ignored, news }
