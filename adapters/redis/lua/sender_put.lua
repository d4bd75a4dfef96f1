-- sender_put: set a sender's account, throughput and gate, and what of it is shut or slowed.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_shut part_look part_silence
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   sender        phone number id
-- ARGV[9]   waba          its WhatsApp Business Account
-- ARGV[10]  nominal       messages a second
-- ARGV[11]  closed_until  epoch ms; 0 is open
-- ARGV[12]  places        its own limit where the scope is the number; 0 takes the portfolio's
-- ARGV[13]  shut          until when each category waits, as in part_sources
-- ARGV[14]  share         of its send times that marketing may take; 1 is all
-- ARGV[15]  silent        1 while its webhooks tell nothing of what left; see part_silence
--
-- Returns  sequence
local key, nominal = tag .. 's:' .. argv[8], tonumber(argv[10])
call('SADD', tag .. 'senders', argv[8])
note_silence(key, argv[15] == '1')
move_account(call('HGET', key, 'waba'), argv[9])
call('HSET', key, 'waba', argv[9], 'nominal', argv[10], 'closed', argv[11], 'places', argv[12])
if tonumber(call('HGET', key, 'learned') or 0) >= nominal then call('HSET', key, 'learned', 0) end
if tonumber(argv[14]) < 1 then
  local from_us = string.match(call('HGET', key, 'market') or '|0', '%d+$')
  call('HSET', key, 'market', argv[14] .. '|' .. from_us)
else
  call('HDEL', key, 'market')
end
put_shut('sender', argv[8], argv[13])
new_facts()
look_again()
touch(true)
return meta.sequence
