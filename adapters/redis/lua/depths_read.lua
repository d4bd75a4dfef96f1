-- depths_read: what each sender has to do, in bites of lanes; not on the way of a send.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_closed part_pace
--
-- KEYS[1]  tag        begin of every key of the portfolio
-- ARGV[1]  now_ms     epoch ms
-- ARGV[2]  terms      see part_terms
-- ARGV[3]  part       lanes, senders, open or aside
-- ARGV[4]  cursor     where to go on in it: what the last bite returned, 1 or 0 to begin
-- ARGV[5]  aside_max  of jobs kept aside: more are told by their source, not one by one
--
-- Returns  { cursor, senders, jobs, oldest }
--   cursor   where the next bite begins, 0 when this was the last
--   senders  name, rate in force, until when all it has waits (0: it does not), ...
--   jobs     'sender|priority|state or gate', how many, ...
--   oldest   'sender|priority', since when the oldest front row may leave, ...
local BITE = 100
local GATES = { S = 'schedule', P = 'pair', R = 'rate', T = 'retry' }
local part, cursor, aside_max = argv[3], argv[4], tonumber(argv[5])
local jobs, oldest, senders = {}, {}, {}
local are_many = call('HLEN', tag .. 'aside') > aside_max

local function add(sender, priority, word, by)
  if by == 0 then return end
  local name = sender .. '|' .. priority .. '|' .. word
  jobs[name] = (jobs[name] or 0) + by
end

local function look_at_front(lane, key)
  local name, due = lane.sender .. '|' .. lane.priority, number6(call('LINDEX', key, 0), 27)
  oldest[name] = min(oldest[name] or due, due)
end

-- by_source: jobs kept aside of a lane's source, told once: with its first lane.
local function by_source(lane)
  local key = tag .. 'lanes_of:' .. lane.source
  if tonumber(call('LINDEX', key, 0)) ~= lane.number then return end
  local sender = call('LLEN', key) == 1 and lane.sender or ''
  for _, gate in pairs(GATES) do
    local kept = call('HGET', tag .. 'src:' .. lane.source, 'w:' .. gate)
    add(sender, lane.priority, gate, tonumber(kept or 0))
  end
end

local function look_at_lane(lane, fresh, parked)
  local gate = closed_gate(lane) or gate_of_sender(lane.sender)
  fresh, parked = without_ghosts(lane, fresh, parked)
  add(lane.sender, lane.priority, gate or 'queued', fresh)
  add(lane.sender, lane.priority, gate or 'quota', parked)
  if gate == 'source' or gate == 'schedule' then return end -- nobody wants them to leave now
  if fresh > 0 then look_at_front(lane, lane.queue) end
  if parked > 0 then look_at_front(lane, lane.parked) end
end

if part == 'lanes' then
  local numbers = call('ZRANGEBYSCORE', tag .. 'numbers', cursor, '+inf', 'LIMIT', 0, BITE)
  for _, number in ipairs(numbers) do
    local fresh, parked = call('LLEN', tag .. 'q:' .. number), call('LLEN', tag .. 'k:' .. number)
    if fresh + parked > 0 then look_at_lane(lane_of(tonumber(number)), fresh, parked) end
    if are_many then by_source(lane_of(tonumber(number))) end
  end
  cursor = numbers[BITE] and text(tonumber(numbers[BITE]) + 1) or '0'
elseif part == 'senders' then
  local page = call('SSCAN', tag .. part, cursor, 'COUNT', BITE)
  for _, name in ipairs(page[2]) do
    local h, at = call('HMGET', tag .. 's:' .. name, 'nominal', 'learned'), #senders
    local _, till = gate_of_sender(name)
    senders[at + 1], senders[at + 2], senders[at + 3] = name, rate_of(h[1], h[2]), till or 0
  end
  cursor = page[1]
elseif part == 'open' or not are_many then
  local page = call('HSCAN', tag .. part, cursor, 'COUNT', BITE)
  for i = 1, #page[2], 2 do
    local lane, letter = lane_of_job(page[2][i]), sub(page[2][i + 1], 1, 1)
    local state = find(letter, '[Dd]') and 'in_doubt' or 'in_flight'
    add(lane.sender, lane.priority, part == 'open' and state or GATES[letter], 1)
  end
  cursor = page[1]
end
local function flat(map)
  local list = {}
  for name, value in pairs(map) do list[#list + 1], list[#list + 2] = name, value end
  return list
end
return { cursor, senders, flat(jobs), flat(oldest) }
