-- border_put: the countries whose people an account does not write to, until when each.
--
-- uses: part_terms part_slot part_meta part_bytes
--
-- KEYS[1]  tag      begin of every key of the portfolio
-- ARGV[1]  now_ms   epoch ms
-- ARGV[2]  terms    see part_terms
-- ARGV[3]  waba     the account
-- ARGV[4]  borders  see gate_border; empty opens all
--
-- Returns  sequence
--
-- Jobs are refused in their turn, as those of people who opted out: nobody needs to be woken.
if argv[4] == '' then
  call('HDEL', tag .. 'borders', argv[3])
else
  now_has('borders')
  call('HSET', tag .. 'borders', argv[3], argv[4])
end
touch(true)
return meta.sequence
