-- portfolio_put: set a portfolio's limit and scope; a lower limit stops new recipients at once.
--
-- uses: part_slot part_meta part_bytes part_terms part_look
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
local by_number, before_until = argv[9], now + span_ms
if meta.is_known then
  by_number, before_until = meta.policy.by_number and '1' or '0', meta.policy.before_until
end
call('HSET', meta_key, 'policy', table.concat({ argv[8], argv[11], argv[12], argv[13], argv[14],
  by_number, argv[10], text(before_until) }, '|'))
look_again()
touch(true)
return meta.sequence
