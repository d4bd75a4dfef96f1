-- part_lanes: lanes with their gates, where they stand in the rings, and how they sleep and wake.
--
-- Needs  part_slot, part_window (scope_of); off (set of gates switched off), named before it.
-- lane:N           HASH  source sender template priority last passed wait_passed ghosts asleep
-- q:N, k:N         LIST  queued rows, rows parked for a place
-- ring:S:P         ZSET  lane -> pass, of sender S and priority P; lanes padded to 8 digits
-- wait:S:P         ZSET  lane -> pass, of the lanes of scope S that wait for a place
-- waiting          ZSET  scopes in which lanes wait
-- due              ZSET  sender -> when a claim should look at it
-- asleep:G:K       SET   lanes held by gate G under key K
-- src:S            HASH  state weight enqueued, counts, and `ring:sender:priority` lanes in a ring
-- templates        HASH  template -> STATUS|category
-- struck           SET   sender|template pairs parked after unknown codes
--
-- Mirror of adapters/memory/slot.py.
local lanes, lanes_by_prefix, source_cache, template_cache

local function begin_lanes()
  lanes, lanes_by_prefix, source_cache, template_cache = {}, {}, {}, {}
end

local function padded(number) return string.format('%08d', number) end

local function lane_of(number)
  local lane = lanes[number]
  if not lane then
    local h = call('HMGET', tag .. 'lane:' .. number, 'source', 'sender', 'template', 'priority',
      'passed', 'wait_passed', 'ghosts', 'asleep')
    lane = { number = number, prefix = number .. '.', name = padded(number), source = h[1],
      sender = h[2], template = h[3], priority = tonumber(h[4]), passed = tonumber(h[5] or 0),
      wait_passed = tonumber(h[6] or 0), ghosts = tonumber(h[7] or 0), asleep = h[8] == '1',
      key = tag .. 'lane:' .. number, queue = tag .. 'q:' .. number,
      parked = tag .. 'k:' .. number }
    lanes[number] = lane
  end
  return lane
end

-- lane_of_job: the lane whose number stands before the dot of a job's name.
local function lane_of_job(job)
  local prefix = sub(job, 1, find(job, '.', 1, true) - 1)
  local lane = lanes_by_prefix[prefix]
  if not lane then
    lane = lane_of(tonumber(prefix))
    lanes_by_prefix[prefix] = lane
  end
  return lane
end

local function source_of(name)
  local source = source_cache[name]
  if not source then
    local h = call('HMGET', tag .. 'src:' .. name, 'state', 'weight')
    source = { key = tag .. 'src:' .. name, state = h[1] or 'running',
      weight = tonumber(h[2] or 1) }
    source_cache[name] = source
  end
  return source
end

local function template_of(name)
  local template = template_cache[name]
  if not template then
    local packed = call('HGET', tag .. 'templates', name) or 'UNKNOWN|marketing'
    local bar = find(packed, '|', 1, true)
    template = { status = sub(packed, 1, bar - 1), category = sub(packed, bar + 1) }
    template_cache[name] = template
  end
  return template
end

local function category_of(lane)
  if lane.template == '' then return 'service' end
  return template_of(lane.template).category
end

local function look_at_gates(lane)
  if not off.source and source_of(lane.source).state ~= 'running' then
    return 'source', lane.source
  end
  if lane.template ~= '' and not off.template then
    if template_of(lane.template).status ~= 'APPROVED' then return 'template', lane.template end
    local pair = lane.sender .. '|' .. lane.template
    if meta.has.struck and call('SISMEMBER', tag .. 'struck', pair) == 1 then
      return 'template', pair
    end
  end
end
