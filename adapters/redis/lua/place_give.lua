-- place_give: a send that is no job surely reached nobody: what it took is given back.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_due part_call
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   sender        who sent
-- ARGV[9]   recipient     to whom, 8 bytes
-- ARGV[10]  taken_ms      as place_take answered it
--
-- Returns  sequence
--
-- What other sends prove of that person stays. The log keeps what place_take wrote: whoever counts
-- by it counts this person for longer, never for shorter. Mirror of adapters/memory/place.py.
replace(window(scope_of(argv[8])), argv[9], tonumber(argv[10]), 0)
flush_windows()
call_waiters()
touch(true)
return meta.sequence
