-- source_repoint: all rows of a source get another message, templates, priority, end or number
-- of copies: O(lanes).
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_name part_moves part_books part_rows
--
-- KEYS[1]   tag         begin of every key of the portfolio
-- ARGV[1]   now_ms      epoch ms
-- ARGV[2]   terms       see part_terms
-- ARGV[3]   source      its name
-- ARGV[4]   body        the message, for each version there is; empty: as it is
-- ARGV[5]   expires_ms  when its rows expire, whatever each says, 0 never; empty: as it is
-- ARGV[6]   priority    0 to 3, of all its lanes
-- ARGV[7]   repeats     copies of a row that may follow a doubt; empty: as each row says
-- ARGV[8]   version     of the message: rows of an older one are refused from now on; 0: as it is
-- ARGV[9]   is_first    1: only while it has no rows
-- ARGV[10]  sender      of lanes, and the template that they get, ...
--
-- Returns  how many rows the source has had; -1 where it is running or cancelled, -2 where it has
--          rows and is_first: nothing changed
--
-- contents:S  LIST  versions of a source's message
-- src:S       HASH  expires, repeats, version: see part_sources
local source, body, expires, priority, gets = argv[3], argv[4], argv[5], tonumber(argv[6]), {}
local state = source_of(source).state
if state == 'running' or state == 'cancelled' then return -1 end
local key = tag .. 'src:' .. source
local enqueued = tonumber(call('HGET', key, 'enqueued') or 0)
if argv[9] == '1' and enqueued > 0 then return -2 end
for i = 10, #argv, 2 do gets[argv[i]] = argv[i + 1] end
if body ~= '' then
  local contents = tag .. 'contents:' .. source
  for version = 0, call('LLEN', contents) - 1 do call('LSET', contents, version, body) end
end
if expires ~= '' then call('HSET', key, 'expires', expires) end
if argv[7] ~= '' then call('HSET', key, 'repeats', argv[7]) end
if argv[8] ~= '0' then call('HSET', key, 'version', argv[8]) end
for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. source, 0, -1)) do
  local lane = lane_of(tonumber(number))
  local template = gets[lane.sender] or lane.template
  if lane.template ~= template or lane.priority ~= priority then
    rouse(lane)
    move_lane(lane, template, priority)
  end
  if expires ~= '' then note_expiry(lane, tonumber(expires)) end
end
call('HINCRBY', meta_key, 'edition', 1)
new_facts()
touch(true)
return enqueued
