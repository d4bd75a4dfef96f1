-- quiet_put: when each zone of a source is open, or that its quiet hours are over: O(lanes).
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  source  its name
-- ARGV[4]  has     1 it has quiet hours, 0 it has none any more
-- ARGV[5]  zones   zone and calendar, ..., as quiet:S has them; of none any more: nothing
--
-- Returns  sequence
--
-- A source whose quiet hours ended keeps the names of its zones, with empty calendars.
local source, has = argv[3], argv[4]
local key = tag .. 'quiet:' .. source

-- told: zones with their calendars in the order they were given; all that are known, shut for ever
-- and open at once, where the source has no quiet hours any more.
local function told()
  if has == '1' then return { unpack(argv, 5) } end
  local flat = {}
  for _, zone in ipairs(zones_known(source)) do
    flat[#flat + 1], flat[#flat + 2] = zone, ''
  end
  return flat
end

call('HSETNX', tag .. 'src:' .. source, 'state', 'running')
call('HSETNX', tag .. 'src:' .. source, 'weight', 1)
call('HSET', tag .. 'src:' .. source, 'quiet', has)
new_facts()
local flat = told()
for i = 1, #flat, 2 do
  local zone, calendar = flat[i], flat[i + 1]
  local opens = has == '1' and opens_at(calendar) or nil
  local name = source .. '|' .. zone
  call('HSET', key, zone, calendar)
  call('ZREM', tag .. 'openings', 'quiet:' .. name)
  if not opens then
    open_gate('schedule', name)
  elseif opens < FOREVER and call('EXISTS', tag .. 'asleep:schedule:' .. name) == 1 then
    call('ZADD', tag .. 'openings', text(opens), 'quiet:' .. name)
    now_has('openings')
  end
end
touch(true)
return meta.sequence
