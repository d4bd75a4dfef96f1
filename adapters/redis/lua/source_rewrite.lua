-- source_rewrite: give a source's jobs another message, template, priority or end: O(lanes).
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_sources
-- uses: part_standing part_rest
--
-- KEYS[1]   tag            begin of every key of the portfolio
-- ARGV[1]   now_ms         epoch ms
-- ARGV[2]   tolerance_ms   how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms        how long a recipient counts
-- ARGV[4]   guard_ms       see part_terms
-- ARGV[5]   lease_ms       see part_terms
-- ARGV[6]   keep_ms        see part_terms
-- ARGV[7]   gates_off      see part_terms
-- ARGV[8]   source         its name
-- ARGV[9]   body           what its jobs share from now on; empty: as it is
-- ARGV[10]  expires_ms     when its jobs expire, whatever each row says; empty: as it is
-- ARGV[11]  priority       0 to 3, of all its lanes
-- ARGV[12]  lull_until_ms  until then a running source gives no jobs; 0 is none
-- ARGV[13]  senders        how many pairs follow
-- ARGV[14]  templates      `senders` pairs of sender and the template of its lanes
--
-- ARGV[14] begins a run of values.
--
-- Returns  the number of the newest version of its message; 0 for a cancelled source
--
-- contents:S  LIST  versions of what a source's jobs share
--
-- Every older version becomes the new message: a queued row keeps its number and leaves with it.
-- A lane keeps its number, for it stands in the ids of its jobs, and each name it ever had: rows
-- that were packed before the change and come after it find it. Mirror of
-- adapters/memory/rewrite.py.
local name, body, expires, priority = argv[8], argv[9], argv[10], argv[11]
local lull_until_ms, templates = tonumber(argv[12]), {}
local key, contents = tag .. 'src:' .. name, tag .. 'contents:' .. name
for i = 1, tonumber(argv[13]) do templates[argv[12 + 2 * i]] = argv[13 + 2 * i] end

-- wake_up: wherever a lane sleeps, it does no more; what holds it is looked at anew.
local function wake_up(lane)
  local waba = call('HGET', tag .. 's:' .. lane.sender, 'waba') or ''
  local gates = { 'source:' .. name, 'sender:' .. lane.sender, 'template:' .. lane.template,
    'template:' .. lane.sender .. '|' .. lane.template }
  for _, category in ipairs({ 'authentication', 'service', 'utility', 'marketing' }) do
    gates[#gates + 1] = 'sender:' .. lane.sender .. '|' .. category
    gates[#gates + 1] = 'account:' .. waba .. '|' .. category
  end
  for _, gate in ipairs(gates) do call('SREM', tag .. 'asleep:' .. gate, lane.number) end
  lane.asleep = false
end

local function move(lane, template)
  if lane.template == template and lane.priority == tonumber(priority) then return end
  wake_up(lane)
  leave_ring(lane)
  leave_wait(lane)
  lane.template, lane.priority = template, tonumber(priority)
  lane.passed, lane.wait_passed = 0, 0 -- what it used says nothing in another ring
  call('HSET', lane.key, 'template', template, 'priority', priority, 'asleep', '0',
    'passed', '0', 'wait_passed', '0')
  local lane_name = table.concat({ name, lane.sender, template, priority }, '\31')
  call('HSETNX', tag .. 'lanes', lane_name, lane.number)
  wake(lane)
end

local function lull(state)
  local opens_ms = tonumber(call('ZSCORE', tag .. 'openings', name) or 0)
  if state == 'running' or state == 'scheduled' and opens_ms < lull_until_ms then
    call('HSET', key, 'state', 'scheduled')
    call('ZADD', tag .. 'openings', lull_until_ms, name)
    now_has('openings')
  end
end

local state, version = call('HGET', key, 'state'), call('LLEN', contents)
if state == 'cancelled' then return 0 end
if body ~= '' then
  for at = 0, version - 1 do call('LSET', contents, at, body) end
  version = call('RPUSH', contents, body)
end
if expires ~= '' then call('HSET', key, 'expires', expires) end
if lull_until_ms > 0 then lull(state) end
for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. name, 0, -1)) do
  local lane = lane_of(tonumber(number))
  move(lane, templates[lane.sender] or lane.template)
end
new_facts()
touch(true)
return version
