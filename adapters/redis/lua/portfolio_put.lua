-- portfolio_put: set a portfolio's limit and scope; a lower limit stops new recipients at once.
--
-- uses: part_terms part_slot part_meta part_bytes part_look
--
-- KEYS[1]  tag          begin of every key of the portfolio
-- ARGV[1]  now_ms       epoch ms
-- ARGV[2]  terms        see part_terms
-- ARGV[3]  places       unique recipients per window; -1 unlimited
-- ARGV[4]  by_number    1 when each sender has its own window
-- ARGV[5]  used_before  places taken elsewhere before this ledger began
-- ARGV[6]  headroom     share kept free for deliveries that come late
-- ARGV[7]  reserve0     share that authentication keeps back from those below it,
-- ARGV[8]  reserve1     service,
-- ARGV[9]  reserve2     and utility
--
-- Returns  sequence
--
-- The scope is decided once: a window that has begun to count can't be split or joined.
local by_number, before_until = argv[4], now + span_ms
if meta.is_known then
  by_number, before_until = meta.policy.by_number and '1' or '0', meta.policy.before_until
end
call('HSET', meta_key, 'policy', table.concat({ argv[3], argv[6], argv[7], argv[8], argv[9],
  by_number, argv[5], text(before_until) }, '|'))
look_again()
touch(true)
return meta.sequence
