-- place_give: a send that is no job surely reached nobody: what it took is given back.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_due part_call
--
-- KEYS[1]  tag        begin of every key of the portfolio
-- ARGV[1]  now_ms     epoch ms
-- ARGV[2]  terms      see part_terms
-- ARGV[3]  sender     who sent
-- ARGV[4]  recipient  to whom, 8 bytes
-- ARGV[5]  taken_ms   as place_take answered it
--
-- Returns  sequence
--
-- What other sends prove of that person stays. The log keeps what place_take wrote: whoever counts
-- by it counts this person for longer, never for shorter. Mirror of adapters/memory/place.py.
replace(window(scope_of(argv[3])), argv[4], tonumber(argv[5]), 0)
flush_windows()
call_waiters()
touch(true)
return meta.sequence
