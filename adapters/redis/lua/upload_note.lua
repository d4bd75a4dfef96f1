-- upload_note: how far an upload came, and what was wrong with its rows, in one step.
--
-- uses: part_terms part_slot
--
-- KEYS[1]   tag          begin of every key of the portfolio
-- ARGV[1]   now_ms       epoch ms
-- ARGV[2]   terms        see part_terms
-- ARGV[3]   upload       its source and its name
-- ARGV[4]   taker        who notes it
-- ARGV[5]   kept_ms      how long it is known
-- ARGV[6]   state        how far it came
-- ARGV[7]   complete     1 when that is all of it
-- ARGV[8]   source       whose rows they are
-- ARGV[9]   rejects_max  refused rows kept of a source; the oldest go first
-- ARGV[10]  rejects_ms   and for how long after the last
-- ARGV[11]  rejects      what is wrong with rows, one each, as many as there are
--
-- Returns  how many of its rows were queued; -1 when somebody else takes it: nothing was noted
--
-- upload:U   HASH  see upload_take
-- rejects:S  LIST  refused rows of a source
local key = tag .. 'upload:' .. argv[3]
if call('HGET', key, 'taker') ~= argv[4] then return -1 end
call('HSET', key, 'state', argv[6], 'complete', argv[7])
call('PEXPIRE', key, argv[5])
local rejects = tag .. 'rejects:' .. argv[8]
for i = 11, #argv, 1000 do call('RPUSH', rejects, unpack(argv, i, min(i + 999, #argv))) end
if argv[11] then
  call('LTRIM', rejects, -tonumber(argv[9]), -1)
  call('PEXPIRE', rejects, argv[10])
end
call('PEXPIRE', tag .. 'tally:' .. argv[3], argv[5])
return tonumber(call('GET', tag .. 'tally:' .. argv[3]) or 0)
