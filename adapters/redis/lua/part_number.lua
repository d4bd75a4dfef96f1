-- part_number: the number of a lane, which is its name in every key and in the ids of its jobs.
--
-- Needs  part_meta, part_name.
-- lanes         HASH  source, sender, template, priority (and zone, if any) -> number of the lane
-- lanes_of:S    LIST  numbers of a source's lanes
-- lanes_for:T   LIST  numbers of a template's lanes
-- numbers       ZSET  the numbers that are in use, in their order
-- idle_sources  ZSET  source -> since when it has no lane any more: see lanes_prune
--
-- No number is ever given twice: the id of a job whose lane was forgotten means nobody else's.
local function add_lane(number, name, source, sender, template, priority, zone)
  call('HSET', tag .. 'lanes', name, number)
  call('HSET', tag .. 'lane:' .. number, 'source', source, 'sender', sender,
    'template', template, 'priority', priority, 'last', 0)
  if zone ~= '' then call('HSET', tag .. 'lane:' .. number, 'zone', zone) end
  new_facts()
  call('RPUSH', tag .. 'lanes_of:' .. source, number)
  if template ~= '' then call('RPUSH', tag .. 'lanes_for:' .. template, number) end
  call('ZADD', tag .. 'numbers', number, number)
  call('ZREM', tag .. 'idle_sources', source)
end

-- lane_number: the number a lane has, or the next one for a lane that nobody wrote to before.
local function lane_number(source, sender, template, priority, zone)
  local name = name_of({ source = source, sender = sender, template = template,
    priority = priority, zone = zone })
  local number = tonumber(call('HGET', tag .. 'lanes', name))
  if number then return number end
  number = call('HINCRBY', tag .. 'meta', 'lanes', 1)
  add_lane(number, name, source, sender, template, priority, zone)
  return number
end
