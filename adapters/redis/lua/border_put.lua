-- border_put: the countries whose people an account does not write to, until when each.
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
-- ARGV[8]   waba          the account
-- ARGV[9]   borders       see gate_border; empty opens all
--
-- Returns  sequence
--
-- Jobs are refused in their turn, as those of people who opted out: nobody needs to be woken.
if argv[9] == '' then
  call('HDEL', tag .. 'borders', argv[8])
else
  now_has('borders')
  call('HSET', tag .. 'borders', argv[8], argv[9])
end
touch(true)
return meta.sequence
