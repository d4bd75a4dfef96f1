-- settle: record how writes ended; leases end, places are kept or given back, gates close.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due part_log
-- uses: part_call part_settle part_dead part_repeats part_outcomes part_apply part_late part_told
-- uses: part_accepted part_settlements
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  count   see part_settlements, and what follows
--
-- Returns  { sequence, due_ms, ignored, closed }
--   ignored  jobs whose outcome changed nothing
--   closed   gate, key, ... that this call closed, or closed when it was told before
settle_all(3)
flush_settled()
touch(true)
flush_log()
return { meta.sequence, next_due(), ignored, news }
