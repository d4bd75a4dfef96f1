-- part_name: the name of a lane: its source, sender, template, priority and, if any, time zone.
--
-- Mirror of lane_name in adapters/redis/calls.py.
local function name_of(lane)
  local name = table.concat({ lane.source, lane.sender, lane.template, lane.priority }, '\31')
  return lane.zone ~= '' and name .. '\31' .. lane.zone or name
end
