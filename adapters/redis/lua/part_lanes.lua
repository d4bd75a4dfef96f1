-- part_lanes: lanes, their keys and their window.
--
-- uses: part_waiting
--
-- Needs  part_slot, part_window (scope_of).
-- lane:N           HASH  source sender template priority zone last at passed wait_passed ghosts
--                        asleep; `at` is when a job came in last
-- q:N, k:N         LIST  queued rows, rows parked for a place
-- ring:S:P         ZSET  lane -> pass, of sender S and priority P; lanes padded to 8 digits
-- wait:S:P         ZSET  lane -> pass, of the lanes of scope S that wait for a place
-- due              ZSET  sender -> when a claim should look at it
-- asleep:G:K       SET   lanes held by gate G under key K
--
-- Mirror of adapters/memory/slot.py.
local lanes, lanes_by_prefix

local function begin_lanes() lanes, lanes_by_prefix = {}, {} end

local function padded(number) return string.format('%08d', number) end

-- What of a lane changes is read when it is first asked for: nil fields of a lane come here.
local STANDING = { passed = true, wait_passed = true, ghosts = true, asleep = true }
local function read_standing(fact, field)
  if not STANDING[field] then return nil end
  local lane, h = lanes[fact.number], call('HMGET', fact.key, 'passed', 'wait_passed', 'ghosts',
    'asleep')
  local read = { passed = tonumber(h[1] or 0), wait_passed = tonumber(h[2] or 0),
    ghosts = tonumber(h[3] or 0), asleep = h[4] == '1' }
  for name, value in pairs(read) do
    if rawget(lane, name) == nil then lane[name] = value end
  end
  return rawget(lane, field)
end

local unknown_lane = { __index = read_standing }

-- lane_fact: what never changes of a lane, and the names of its keys.
local function lane_fact(number)
  local key = tag .. 'lane:' .. number
  local h = call('HMGET', key, 'source', 'sender', 'template', 'priority', 'zone')
  local fact = setmetatable({ number = number, prefix = number .. '.', name = padded(number),
    source = h[1], sender = h[2], template = h[3], priority = tonumber(h[4]), zone = h[5] or '',
    key = key, queue = tag .. 'q:' .. number, parked = tag .. 'k:' .. number,
    -- What a call finds out of a lane, not found out yet: nil would be looked up as standing.
    win = false, fresh = false, looked = false, gate = false, parking = false, named = -100,
    done_bucket = false, bucket = false, end_high = false, middle = false }, unknown_lane)
  fact.index = { __index = fact }
  return h[1] and keep_fact(meta.facts.lanes, number, fact) or fact
end

local function fact_of(number) return meta.facts.lanes[number] or lane_fact(number) end

local function lane_of(number)
  local lane = lanes[number]
  if not lane then
    lane = setmetatable({}, fact_of(number).index)
    lanes[number] = lane
  end
  return lane
end

-- without_ghosts: how many jobs are queued and how many wait for a place, of so many rows; ghosts
-- the queue has no room for stand among the others.
local function without_ghosts(lane, fresh, parked)
  return max(0, fresh - lane.ghosts), parked - max(0, lane.ghosts - fresh)
end

-- lane_of_job: the lane whose number stands before the dot of a job's name, and what follows it.
local function lane_of_job(job)
  local dot = find(job, '.', 1, true)
  local prefix = sub(job, 1, dot - 1)
  local lane = lanes_by_prefix[prefix]
  if not lane then
    lane = lane_of(tonumber(prefix))
    lanes_by_prefix[prefix] = lane
  end
  return lane, sub(job, dot + 1)
end

-- window_of: the window in which a lane's recipients count.
local function window_of(lane)
  local win = lane.win
  if not win then
    lane.scope = scope_of(lane.sender)
    win = window(lane.scope)
    lane.win = win
  end
  return win
end
