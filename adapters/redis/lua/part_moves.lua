-- part_moves: lanes that waited with the priority of a template's category move with the template.
--
-- Needs  part_lanes, part_standing, part_rest. Mirror of adapters/memory/templates.py.
local PRIORITIES = { authentication = 0, service = 1, utility = 2, marketing = 3 }

local function name_of(lane)
  return table.concat({ lane.source, lane.sender, lane.template, lane.priority }, '\31')
end

-- move_lane: a lane goes on with another priority; where that lane is there already, both stay.
local function move_lane(lane, priority)
  leave_ring(lane)
  leave_wait(lane)
  local known = tonumber(call('HGET', tag .. 'lanes', name_of(lane)))
  if known == lane.number then call('HDEL', tag .. 'lanes', name_of(lane)) end
  lane.priority, lane.ring_field = priority, nil
  call('HSETNX', tag .. 'lanes', name_of(lane), lane.number)
  call('HSET', lane.key, 'priority', priority)
  wake(lane)
end

-- move_lanes: O(lanes). Who chose another priority than the category's keeps it.
local function move_lanes(template, from, to)
  for _, number in ipairs(call('LRANGE', tag .. 'lanes_for:' .. template, 0, -1)) do
    local lane = lane_of(tonumber(number))
    if lane.priority == PRIORITIES[from] then move_lane(lane, PRIORITIES[to]) end
  end
end
