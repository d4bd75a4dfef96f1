-- part_number: the number of a lane, which is its name in every key and in the ids of its jobs.
--
-- Needs  part_slot.
-- lanes       HASH  source, sender, template, priority (and zone, if any) -> number of the lane
-- lanes_of:S  LIST  numbers of a source's lanes

-- lane_number: the number a lane has, or the next one for a lane that nobody wrote to before.
local function lane_number(source, sender, template, priority, zone)
  local name = table.concat({ source, sender, template, priority }, '\31')
  if zone ~= '' then name = name .. '\31' .. zone end
  local number = tonumber(call('HGET', tag .. 'lanes', name))
  if number then return number end
  number = call('HINCRBY', tag .. 'meta', 'lanes', 1)
  call('HSET', tag .. 'lanes', name, number)
  call('HSET', tag .. 'lane:' .. number, 'source', source, 'sender', sender,
    'template', template, 'priority', priority, 'last', 0)
  if zone ~= '' then call('HSET', tag .. 'lane:' .. number, 'zone', zone) end
  new_facts()
  call('RPUSH', tag .. 'lanes_of:' .. source, number)
  return number
end
