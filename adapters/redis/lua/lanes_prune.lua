-- lanes_prune: forget lanes in which nothing was left for as long as ended jobs are kept.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_name
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  after   number of the lane after which to go on; 0 begins
--
-- Returns  number of the last lane looked at; 0 when there is none after it
--
-- numbers       ZSET  see part_number
-- idle_sources  ZSET  source -> since when it has no lane any more
-- lane:N        HASH  idle: when it was first seen to have neither jobs nor ends
--
-- A lane is idle when no job waits in it or is under way, and the ends of its jobs are gone: they
-- go by themselves, keep_ms after the last of a bucket. A cancelled source leaves no ends, so a
-- lane must stay idle for keep_ms more. Mirror of adapters/memory/prune.py.
local BITE, BUCKET = 20, 4096
local UNDER_WAY = { 's:in_flight', 's:in_doubt', 'w:schedule', 'w:pair', 'w:rate', 'w:retry' }

local function is_idle(lane)
  if call('EXISTS', lane.queue, lane.parked) > 0 then return false end
  for _, jobs in ipairs(call('HMGET', tag .. 'src:' .. lane.source, unpack(UNDER_WAY))) do
    if tonumber(jobs or 0) > 0 then return false end
  end
  local last = tonumber(call('HGET', lane.key, 'last'))
  for bucket = floor(last / BUCKET), 0, -1 do -- the newest ends are the last to go
    if call('EXISTS', tag .. 'done:' .. lane.number .. ':' .. bucket) == 1 then return false end
  end
  return true
end

-- wake_nobody: take a lane out of wherever it may sleep.
local function wake_nobody(lane)
  local sender, template = lane.sender, lane.template
  local waba = call('HGET', tag .. 's:' .. sender, 'waba') or ''
  local beds = { 'source:' .. lane.source, 'template:' .. template, 'sender:' .. sender,
    'template:' .. sender .. '|' .. template, 'schedule:' .. lane.source .. '|' .. lane.zone }
  for _, category in ipairs({ 'authentication', 'service', 'utility', 'marketing' }) do
    beds[#beds + 1] = 'sender:' .. sender .. '|' .. category
    beds[#beds + 1] = 'account:' .. waba .. '|' .. category
  end
  for _, bed in ipairs(beds) do call('SREM', tag .. 'asleep:' .. bed, lane.number) end
end

local function forget(lane)
  leave_ring(lane)
  leave_wait(lane)
  if lane.asleep then wake_nobody(lane) end
  call('ZREM', tag .. 'expiring', lane.number, lane.number .. '+')
  call('ZREM', tag .. 'numbers', lane.number)
  call('LREM', tag .. 'lanes_of:' .. lane.source, 1, lane.number)
  local name = name_of(lane)
  if tonumber(call('HGET', tag .. 'lanes', name)) == lane.number then -- none has moved to it
    call('HDEL', tag .. 'lanes', name)
  end
  if lane.template ~= '' then
    call('LREM', tag .. 'lanes_for:' .. lane.template, 1, lane.number)
  end
  call('HDEL', tag .. 'ended', lane.number)
  call('DEL', lane.key)
  if call('EXISTS', tag .. 'lanes_of:' .. lane.source) == 0 then
    call('ZADD', tag .. 'idle_sources', now_text, lane.source)
  end
end

local function look(lane)
  local since = tonumber(call('HGET', lane.key, 'idle') or 0)
  if not is_idle(lane) then
    if since > 0 then call('HDEL', lane.key, 'idle') end
  elseif since == 0 then
    call('HSET', lane.key, 'idle', now_text)
  elseif now - since >= tonumber(keep_ms) then
    forget(lane)
    return true
  end
  return false
end

local after = '(' .. argv[3]
local numbers = call('ZRANGEBYSCORE', tag .. 'numbers', after, '+inf', 'LIMIT', 0, BITE)
local forgotten = 0
for _, number in ipairs(numbers) do
  if look(lane_of(tonumber(number))) then forgotten = forgotten + 1 end
end
if forgotten > 0 then
  new_facts()
  touch(false)
end
return #numbers == BITE and tonumber(numbers[BITE]) or 0
