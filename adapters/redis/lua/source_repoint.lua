-- source_repoint: all rows of a source get another message and other templates: O(lanes).
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_name part_moves
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   source        its name
-- ARGV[9]   body          the message, for each version there was and one more
-- ARGV[10]  was           the priority it had by default
-- ARGV[11]  now           and has now; lanes with another one keep theirs
-- ARGV[12]  template      WABA/name/language that it had, and as ARGV[13] the one it gets, ...
--
-- Returns  the new version; 0 where the source is running, scheduled or cancelled
--
-- contents:S  LIST  versions of a source's message
local source, body, instead = argv[8], argv[9], {}
local state = source_of(source).state
if state == 'running' or state == 'scheduled' or state == 'cancelled' then return 0 end
for i = 12, #argv, 2 do instead[argv[i]] = argv[i + 1] end
for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. source, 0, -1)) do
  local lane = lane_of(tonumber(number))
  local template = instead[lane.template] or lane.template
  local priority = lane.priority == tonumber(argv[10]) and tonumber(argv[11]) or lane.priority
  rouse(lane)
  move_lane(lane, template, priority)
end
local key = tag .. 'contents:' .. source
for version = 0, call('LLEN', key) - 1 do call('LSET', key, version, body) end
local version = call('RPUSH', key, body)
call('HINCRBY', meta_key, 'edition', 1)
new_facts()
touch(true)
return version
