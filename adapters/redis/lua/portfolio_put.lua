-- portfolio_put: set a portfolio's limit and scope; a lower limit stops new recipients at once.
--
-- uses: part_slot part_bytes part_terms part_look
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   places        unique recipients per window; -1 unlimited
-- ARGV[9]   by_number     1 when each sender has its own window
-- ARGV[10]  used_before   places taken elsewhere before this ledger began
-- ARGV[11]  headroom      share kept free for deliveries that come late
-- ARGV[12]  reserve0      share that authentication keeps back from those below it,
-- ARGV[13]  reserve1      service,
-- ARGV[14]  reserve2      and utility
--
-- Returns  sequence
--
-- The scope is decided once: a window that has begun to count can't be split or joined.
if not meta.known then
  call('HSET', tag .. 'meta', 'before_until', text(now + span_ms), 'by_number', argv[9])
end
call('HSET', tag .. 'meta', 'places', argv[8], 'before', argv[10],
  'headroom', argv[11], 'reserve0', argv[12], 'reserve1', argv[13], 'reserve2', argv[14])
look_again()
touch(true)
return meta.sequence
