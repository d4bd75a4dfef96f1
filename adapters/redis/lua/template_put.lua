-- template_put: set a template's status; APPROVED releases the lanes parked behind it.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_shut
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   template      WABA/name/language
-- ARGV[9]   status        Meta's word
-- ARGV[10]  category      authentication, utility or marketing
--
-- Returns  sequence
local template, status = argv[8], argv[9]
local known = call('HGET', tag .. 'templates', template)
local category = known and sub(known, find(known, '|', 1, true) + 1)
call('HSET', tag .. 'templates', template, status .. '|' .. argv[10])
new_facts()
if category and category ~= argv[10] then open_category(category) end
if status == 'APPROVED' then
  open_gate('template', template)
  local struck = call('SMEMBERS', tag .. 'struck')
  table.sort(struck)
  for _, pair in ipairs(struck) do
    if sub(pair, find(pair, '|', 1, true) + 1) == template then
      call('SREM', tag .. 'struck', pair)
      call('HDEL', tag .. 'strikes', pair)
      open_gate('template', pair)
    end
  end
end
touch(true)
return meta.sequence
