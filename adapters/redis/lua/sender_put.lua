-- sender_put: set a sender's account, throughput and gate, and what of it is shut or slowed.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_shut part_look part_silence part_answered
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   terms         see part_terms
-- ARGV[3]   sender        phone number id
-- ARGV[4]   waba          its WhatsApp Business Account
-- ARGV[5]   nominal       messages a second
-- ARGV[6]   closed_until  epoch ms; 0 is open
-- ARGV[7]   places        its own limit where the scope is the number; 0 takes the portfolio's
-- ARGV[8]   shut          until when each category waits, as in part_sources
-- ARGV[9]   share         of its send times that marketing may take; 1 is all
-- ARGV[10]  silent        1 while its webhooks tell nothing of what left; see part_silence
--
-- Returns  sequence
--
-- What an answer closed just now stays closed for a moment: see part_answered.
local key, nominal = tag .. 's:' .. argv[3], tonumber(argv[5])
call('SADD', tag .. 'senders', argv[3])
note_silence(key, argv[10] == '1')
move_account(call('HGET', key, 'waba'), argv[4])
local closed = closed_until('sender|' .. argv[3], key, 'closed', tonumber(argv[6]))
call('HSET', key, 'waba', argv[4], 'nominal', argv[5], 'closed', closed, 'places', argv[7])
if tonumber(call('HGET', key, 'learned') or 0) >= nominal then call('HSET', key, 'learned', 0) end
if tonumber(argv[9]) < 1 then
  local from_us = string.match(call('HGET', key, 'market') or '|0', '%d+$')
  call('HSET', key, 'market', argv[9] .. '|' .. from_us)
else
  call('HDEL', key, 'market')
end
put_shut('sender', argv[3], argv[8])
new_facts()
look_again()
touch(true)
return meta.sequence
