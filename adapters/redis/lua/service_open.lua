-- service_open: a person wrote to a sender: free-form may be sent, and nothing counts, until then.
--
-- uses: part_terms part_slot part_meta part_bytes
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  pair      sender:recipient
-- ARGV[4]  until_ms  epoch ms
--
-- Returns  sequence
--
-- service  ZSET  sender:recipient -> when the window closes; those long closed are forgotten here
now_has('service')
call('ZADD', tag .. 'service', 'GT', argv[4], argv[3])
local past = call('ZRANGEBYSCORE', tag .. 'service', '-inf', text(now), 'LIMIT', 0, 200)
if #past > 0 then call('ZREM', tag .. 'service', unpack(past)) end
touch(true)
return meta.sequence
