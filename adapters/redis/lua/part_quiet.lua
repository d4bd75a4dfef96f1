-- part_quiet: the zones of a source, those it was told and those of its lanes.
--
-- Needs  part_slot, part_lanes.
-- Provides  zones_known(source): their names, sorted.
local function zones_known(source)
  local names, found = call('HKEYS', tag .. 'quiet:' .. source), {}
  for _, number in ipairs(call('LRANGE', tag .. 'lanes_of:' .. source, 0, -1)) do
    names[#names + 1] = lane_of(tonumber(number)).zone
  end
  table.sort(names)
  for i, zone in ipairs(names) do
    if zone ~= names[i - 1] then found[#found + 1] = zone end
  end
  return found
end
