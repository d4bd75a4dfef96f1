-- imprints_read: what the last call that wrote in each of many slots left there; writes nothing.
--
-- Only where one server has all slots: in a cluster each has its own.
--
-- KEYS[1]  meta   HASH of the first slot: part_meta
-- ARGV[1]  metas  and all that follow: those of the others
--
-- Returns  the `state` of each, nil where there is none
local states = { redis.call('HGET', keys[1], 'state') }
for at, meta in ipairs(arguments) do states[at + 1] = redis.call('HGET', meta, 'state') end
return states
