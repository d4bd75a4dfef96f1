-- part_moves: lanes go on with another priority, as their template's category, or template.
--
-- Needs  part_name, part_lanes, part_standing, part_rest. Mirror of adapters/memory/templates.py.
local PRIORITIES = { authentication = 0, service = 1, utility = 2, marketing = 3 }

-- rouse: a lane sleeps behind no gate; the next claim puts it where it belongs.
local function rouse(lane)
  if not lane.asleep then return end
  local pair, shut = lane.sender .. '|' .. lane.template, '|' .. category_of(lane)
  local waba = call('HGET', tag .. 's:' .. lane.sender, 'waba') or ''
  for _, gate in ipairs({ 'source:' .. lane.source, 'template:' .. lane.template,
    'template:' .. pair, 'sender:' .. lane.sender, 'sender:' .. lane.sender .. shut,
    'account:' .. waba .. shut, 'schedule:' .. lane.source .. '|' .. lane.zone }) do
    call('SREM', tag .. 'asleep:' .. gate, lane.number)
  end
  lane.asleep = false
  call('HSET', lane.key, 'asleep', '0')
end

-- move_lane: a lane goes on with another template or priority, in its zone; where that lane is
-- there already, both stay.
local function move_lane(lane, template, priority)
  leave_ring(lane)
  leave_wait(lane)
  local known = tonumber(call('HGET', tag .. 'lanes', name_of(lane)))
  if known == lane.number then call('HDEL', tag .. 'lanes', name_of(lane)) end
  if lane.template ~= template then
    call('LREM', tag .. 'lanes_for:' .. lane.template, 1, lane.number)
    call('RPUSH', tag .. 'lanes_for:' .. template, lane.number)
  end
  lane.template, lane.priority, lane.ring_field, lane.looked = template, priority, nil, nil
  call('HSETNX', tag .. 'lanes', name_of(lane), lane.number)
  call('HSET', lane.key, 'template', template, 'priority', priority)
  wake(lane)
end

-- move_lanes: O(lanes). Who chose another priority than the category's keeps it.
local function move_lanes(template, from, to)
  for _, number in ipairs(call('LRANGE', tag .. 'lanes_for:' .. template, 0, -1)) do
    local lane = lane_of(tonumber(number))
    if lane.priority == PRIORITIES[from] then move_lane(lane, template, PRIORITIES[to]) end
  end
end

-- end_quiet: what of a template slept in quiet hours wakes: nobody waits for it with a code.
local function end_quiet(template)
  local numbers = call('LRANGE', tag .. 'lanes_for:' .. template, 0, -1)
  for i, number in ipairs(numbers) do numbers[i] = tonumber(number) end
  table.sort(numbers)
  for _, number in ipairs(numbers) do
    local lane = lane_of(number)
    local bed = tag .. 'asleep:schedule:' .. lane.source .. '|' .. lane.zone
    if call('SREM', bed, number) == 1 then
      lane.asleep = false
      call('HSET', lane.key, 'asleep', '0')
      wake(lane)
    end
  end
end
