-- settle: record how writes ended; leases end, places are kept or given back, gates close.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due part_doubts part_log
-- uses: part_call part_settle part_dead part_repeats part_outcomes part_apply part_late part_told
-- uses: part_accepted part_settlements
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
-- ARGV[13]  count         see part_settlements, and what follows
--
-- Returns  { sequence, due_ms, ignored, closed }
--   ignored  jobs whose outcome changed nothing
--   closed   gate, key, ... that this call closed, or closed when it was told before
doubts_at = 7
settle_all(13, tonumber(argv[12]))
flush_settled()
touch(true)
flush_log()
return { meta.sequence, next_due(), ignored, news }
