-- upload_note: how far an upload came, and what was wrong with its rows, in one step.
--
-- uses: part_slot
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       see part_terms
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   upload        its source and its name
-- ARGV[9]   holder        who notes it
-- ARGV[10]  kept_ms       how long it is known
-- ARGV[11]  state         how far it came
-- ARGV[12]  complete      1 when that is all of it
-- ARGV[13]  source        whose rows they are
-- ARGV[14]  rejects_max   refused rows kept of a source; the oldest go first
-- ARGV[15]  rejects_ms    and for how long after the last
-- ARGV[16]  rejects       what is wrong with rows, one each, as many as there are
--
-- Returns  how many of its rows were queued; -1 when somebody else takes it: nothing was noted
--
-- upload:U   HASH  see upload_take
-- rejects:S  LIST  refused rows of a source
local key = tag .. 'upload:' .. argv[8]
if call('HGET', key, 'holder') ~= argv[9] then return -1 end
call('HSET', key, 'state', argv[11], 'complete', argv[12])
call('PEXPIRE', key, argv[10])
local rejects = tag .. 'rejects:' .. argv[13]
for i = 16, #argv, 1000 do call('RPUSH', rejects, unpack(argv, i, min(i + 999, #argv))) end
if argv[16] then
  call('LTRIM', rejects, -tonumber(argv[14]), -1)
  call('PEXPIRE', rejects, argv[15])
end
call('PEXPIRE', tag .. 'tally:' .. argv[8], argv[10])
return tonumber(call('GET', tag .. 'tally:' .. argv[8]) or 0)
