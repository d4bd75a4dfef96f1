-- upload_take: somebody takes an upload from now on; whoever had it notes nothing any more.
--
-- uses: part_terms part_slot
--
-- KEYS[1]  tag      begin of every key of the portfolio
-- ARGV[1]  now_ms   epoch ms
-- ARGV[2]  terms    see part_terms
-- ARGV[3]  upload   its source and its name
-- ARGV[4]  taker    who takes it
-- ARGV[5]  kept_ms  how long it is known
-- ARGV[6]  anew     1: from its begin; one that was complete is another upload then.
--                   0: where it ended; nobody takes one of which nothing was noted
--
-- Returns  { state, accepted }: as it was noted last ('' when nobody knows it), rows queued
--
-- upload:U  HASH  taker, state, complete
-- tally:U   jobs queued of it: see enqueue
local key, tally = tag .. 'upload:' .. argv[3], tag .. 'tally:' .. argv[3]
local known = call('HMGET', key, 'state', 'complete')
if argv[6] == '0' and not known[1] then return { '', 0 } end
if argv[6] == '1' and known[2] == '1' then
  call('DEL', tally)
  call('HSET', key, 'complete', '0')
end
call('HSET', key, 'taker', argv[4])
call('PEXPIRE', key, argv[5])
return { known[1] or '', tonumber(call('GET', tally) or 0) }
