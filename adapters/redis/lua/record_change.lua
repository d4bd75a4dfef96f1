-- record_change: write a record of the registry, unless somebody else wrote it meanwhile.
--
-- KEYS[1]  kind    HASH  name -> record, as the registry writes it
-- ARGV[1]  name    of the record
-- ARGV[2]  before  as it was read; empty: there was none
-- ARGV[3]  after   as it shall be; empty: forgotten
-- ARGV[4]  turn    the kind's turn whose records the caller knows; empty: he asks for none
--
-- Returns  {1, the kind's turn now} when it is as it shall be; {0, the record as it is} where
--          somebody else wrote it, also to the same end: both may have counted one up
--
-- ps:{KIND}:turn  STRING  how many records were written by who asked for a turn; in KIND's slot
local kind, name, before, after, turn = keys[1], unpack(arguments)
local key = 'ps:{' .. kind .. '}:turn'
local now = redis.call('GET', key) or '0'
local known = redis.call('HGET', kind, name) or ''
if known ~= before or (turn ~= '' and turn ~= now) then return { 0, known } end
if after == before then return { 1, now } end
if after == '' then
  redis.call('HDEL', kind, name)
else
  redis.call('HSET', kind, name, after)
end
if turn ~= '' then now = redis.call('INCR', key) end
return { 1, now .. '' }
