-- template_put: set a template's status; APPROVED releases the lanes parked behind it.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_sources
-- uses: part_standing part_rest
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
call('HSET', tag .. 'templates', template, status .. '|' .. argv[10])
new_facts()
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
