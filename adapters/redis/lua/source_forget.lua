-- source_forget: forget a source that has no lane any more: its books, and the keys it knew.
--
-- uses: part_terms part_slot part_meta part_bytes
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  source    its name
-- ARGV[4]  until_ms  only if it was without a lane then, or never had one
--
-- Returns  1 when it is forgotten, 0 when it is in use, or was lately
--
-- It is named among the idle ones until a second call finds nothing of it: whoever forgets it may
-- die before the rest of it is forgotten elsewhere.
local name = argv[3]
if call('EXISTS', tag .. 'lanes_of:' .. name) == 1 then return 0 end
local since = tonumber(call('ZSCORE', tag .. 'idle_sources', name) or 0)
if since > tonumber(argv[4]) then return 0 end
local zones = call('HKEYS', tag .. 'quiet:' .. name)
local found = call('UNLINK', tag .. 'src:' .. name, tag .. 'seen:' .. name,
  tag .. 'keys:' .. name .. ':0', tag .. 'contents:' .. name, tag .. 'rows:' .. name,
  tag .. 'rejects:' .. name, tag .. 'quiet:' .. name)
call('ZREM', tag .. 'openings', name)
for _, zone in ipairs(zones) do call('ZREM', tag .. 'openings', 'quiet:' .. name .. '|' .. zone) end
call('HINCRBY', meta_key, 'edition', 1) -- its name may come back with another message
new_facts()
if found == 0 then call('ZREM', tag .. 'idle_sources', name) end
touch(true)
return 1
