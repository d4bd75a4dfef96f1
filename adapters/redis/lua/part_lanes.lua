-- part_lanes: lanes, their keys and their window.
--
-- Needs  part_slot, part_window (scope_of).
-- lane:N           HASH  source sender template priority last passed wait_passed ghosts asleep
-- q:N, k:N         LIST  queued rows, rows parked for a place
-- ring:S:P         ZSET  lane -> pass, of sender S and priority P; lanes padded to 8 digits
-- wait:S:P         ZSET  lane -> pass, of the lanes of scope S that wait for a place
-- waiting          ZSET  scopes in which lanes wait
-- due              ZSET  sender -> when a claim should look at it
-- asleep:G:K       SET   lanes held by gate G under key K
--
-- Mirror of adapters/memory/slot.py.
local lanes, lanes_by_prefix, waiting_scopes

local function begin_lanes() lanes, lanes_by_prefix, waiting_scopes = {}, {}, nil end

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

-- waiting_now: the scopes in which lanes wait, read once unless one of them changed.
local function waiting_now()
  waiting_scopes = waiting_scopes or call('ZRANGE', tag .. 'waiting', '0', '-1')
  return waiting_scopes
end

local function forget_waiting() waiting_scopes = nil end
