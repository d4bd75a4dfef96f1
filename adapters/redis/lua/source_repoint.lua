-- source_repoint: all rows of a source get another message, templates, priority, end or number
-- of copies: O(lanes).
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_name part_moves part_books part_rows
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
-- ARGV[9]   body          the message, for each version there is; empty: as it is
-- ARGV[10]  expires_ms    when its rows expire, whatever each says, 0 never; empty: as it is
-- ARGV[11]  priority      0 to 3, of all its lanes
-- ARGV[12]  repeats       copies of a row that may follow a doubt; empty: as each row says
-- ARGV[13]  version       of the message: rows of an older one are refused from now on; 0: as it is
-- ARGV[14]  is_first      1: only while it has no rows
-- ARGV[15]  sender        of lanes, and as ARGV[16] the template that they get, ...
--
-- Returns  how many rows the source has had; -1 where it is running or cancelled, -2 where it has
--          rows and is_first: nothing changed
--
-- contents:S  LIST  versions of a source's message
-- src:S       HASH  expires, repeats, version: see part_sources
local source, body, expires, priority, gets = argv[8], argv[9], argv[10], tonumber(argv[11]), {}
local state = source_of(source).state
if state == 'running' or state == 'cancelled' then return -1 end
local key = tag .. 'src:' .. source
local enqueued = tonumber(call('HGET', key, 'enqueued') or 0)
if argv[14] == '1' and enqueued > 0 then return -2 end
for i = 15, #argv, 2 do gets[argv[i]] = argv[i + 1] end
if body ~= '' then
  local contents = tag .. 'contents:' .. source
  for version = 0, call('LLEN', contents) - 1 do call('LSET', contents, version, body) end
end
if expires ~= '' then call('HSET', key, 'expires', expires) end
if argv[12] ~= '' then call('HSET', key, 'repeats', argv[12]) end
if argv[13] ~= '0' then call('HSET', key, 'version', argv[13]) end
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
