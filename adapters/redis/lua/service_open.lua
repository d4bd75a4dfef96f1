-- service_open: a person wrote to a sender: free-form may be sent, and nothing counts, until then.
--
-- uses: part_slot part_meta part_bytes part_terms
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   pair          sender:recipient
-- ARGV[9]   until_ms      epoch ms
--
-- Returns  sequence
--
-- service  ZSET  sender:recipient -> when the window closes; those long closed are forgotten here
now_has('service')
call('ZADD', tag .. 'service', 'GT', argv[9], argv[8])
local past = call('ZRANGEBYSCORE', tag .. 'service', '-inf', text(now), 'LIMIT', 0, 200)
if #past > 0 then call('ZREM', tag .. 'service', unpack(past)) end
touch(true)
return meta.sequence
