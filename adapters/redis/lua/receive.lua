-- receive: fold statuses that webhooks brought; any order, any number of times, only ever adding.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due part_doubts part_log
-- uses: part_call part_settle part_dead part_repeats part_outcomes part_evidence part_marks
-- uses: part_throttled
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       how long ended jobs are kept
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   doubt_ms      see part_doubts
-- ARGV[9]   doubt_ms      see part_doubts
-- ARGV[10]  doubt_ms      see part_doubts
-- ARGV[11]  doubt_ms      see part_doubts
-- ARGV[12]  count         receipts that follow
-- ARGV[13]  receipts      per receipt 9 values: job or '', fence, recipient, status rank 1 to 5,
--                         at_ms, wamid, code, flags (c counts, u nobody was reached, t throttled),
--                         sender
--
-- Returns  { sequence, due_ms, settled, cancelled, closed }
--   closed  gate, key, ... that this call closed
doubts_at = 7
local receipts, settled, cancelled = tonumber(argv[12]), {}, {}
local several, jobs = {}, {}
for i = 0, receipts - 1 do
  jobs[i + 1] = argv[13 + i * 9]
  several[i + 1] = argv[15 + i * 9]
end
if receipts > 0 and not meta.policy.by_number then fetch_scores(window(''), several) end
local open_now = receipts > 0 and call('HMGET', tag .. 'open', unpack(jobs)) or {}
for i = 0, receipts - 1 do
  local at = 13 + i * 9
  local receipt = { job = argv[at], fence = tonumber(argv[at + 1]), recipient = argv[at + 2],
    rank = tonumber(argv[at + 3]), at_ms = min(now, tonumber(argv[at + 4])), wamid = argv[at + 5],
    code = tonumber(argv[at + 6]), counts = find(argv[at + 7], 'c', 1, true) ~= nil,
    undelivered = find(argv[at + 7], 'u', 1, true) ~= nil }
  receipt.failed = receipt.rank == UNDELIVERED
  local number, sequence = string.match(receipt.job, '^(%d+)%.(%d+)$')
  receipt.number, receipt.sequence = tonumber(number), tonumber(sequence)
  if receipt.job == '' and find(argv[at + 7], 't', 1, true) then
    learn_bare(argv[at + 8], tonumber(argv[at + 4]))
  elseif receipt.job == '' then
    count_arrival(receipt, scope_of(argv[at + 8]))
    note('0.0', receipt.rank, receipt.counts, receipt.recipient, receipt.at_ms)
  elseif receipt.number and receipt.number > 0 and receipt.number <= meta.lanes then
    if find(argv[at + 7], 't', 1, true) then
      learn_from(receipt, open_now[i + 1], tonumber(argv[at + 4]))
    end
    settle_open(receipt, open_now[i + 1], settled, cancelled)
    if not annotate(receipt) and not open_now[i + 1] then
      -- Its job was cancelled while it waited for a repeat, or is forgotten: a copy arrived.
      count_arrival(receipt, scope_of(lane_of(receipt.number).sender or argv[at + 8]))
    end
    note(receipt.job, receipt.rank, receipt.counts, receipt.recipient, receipt.at_ms)
  end
end
flush_closed()
flush_dead()
flush_ends(keep_ms)
flush_marks()
flush_counts()
flush_windows()
call_waiters()
flush_log()
touch(true)
return { meta.sequence, next_due(), settled, cancelled, news }
