-- template_put: set a template's status; APPROVED releases the lanes parked behind it.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_name part_moves part_shut
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  template  WABA/name/language
-- ARGV[4]  status    Meta's word
-- ARGV[5]  category  authentication, utility or marketing
-- ARGV[6]  version   how often its words or its category changed
-- ARGV[7]  lifts     1 APPROVED also ends what answers closed of it
--
-- Returns  sequence
--
-- Lanes whose priority was that of its category move with it. When it opens, or changed while it
-- was open, the edition grows: who claims reads templates and lanes again before it writes.
local template, status, category = argv[3], argv[4], argv[5]
local before, is_known = template_of(template), call('HEXISTS', tag .. 'templates', template) == 1
local packed = status .. '|' .. category
if argv[6] ~= '0' then packed = packed .. '|' .. argv[6] end
call('HSET', tag .. 'templates', template, packed)
if is_known and before.category ~= category then
  move_lanes(template, before.category, category)
end
new_facts()
if is_known and before.category ~= category then
  open_category(before.category)
  if category == 'authentication' then end_quiet(template) end
end
if status == 'APPROVED' then
  if before.status ~= status or before.version ~= tonumber(argv[6])
    or before.category ~= category then
    call('HINCRBY', meta_key, 'edition', 1)
    new_facts()
  end
  open_gate('template', template)
  local struck = argv[7] == '1' and call('SMEMBERS', tag .. 'struck') or {}
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
