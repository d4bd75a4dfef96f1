-- part_expire_walk: lanes that are due for it are looked at for jobs whose time is over.
--
-- Needs  part_expire. Mirror of adapters/memory/expire.py.
local function write_walk(lane, walk)
  call('HSET', lane.key, 'walk', walk.name .. '|' .. text(walk.from) .. '|' .. text(walk.first))
end

local function read_walk(lane)
  local packed = call('HGET', lane.key, 'walk')
  if not packed then return nil end
  local name, from, first = string.match(packed, '^(%a+)|(%d+)|(%d+)$')
  return { name = name, from = tonumber(from), first = tonumber(first) }
end

local function end_walk(lane, first)
  call('HDEL', lane.key, 'walk')
  call('ZREM', tag .. 'expiring', lane.number .. '+')
  if first < FOREVER then note_expiry(lane, first) end
end

-- step: look at the next bite of a walk; where it is through, its lane is looked at again when the
-- first row it met expires.
local function step(lane, walk)
  local list = lane[walk.name]
  local rows = call('LRANGE', list, -walk.from - bite_max, -walk.from - 1)
  local gone, first = sift(lane, list, rows, -walk.from - #rows)
  walk.first = min(walk.first, first)
  if #rows == bite_max then
    walk.from = walk.from + bite_max - gone
  elseif walk.name == 'queue' then
    walk.name, walk.from = 'parked', 0
  else
    return end_walk(lane, walk.first < FOREVER and max(walk.first, now + EVERY_MS) or FOREVER)
  end
  write_walk(lane, walk)
  call('ZADD', tag .. 'expiring', text(now + EVERY_MS), lane.number .. '+')
end

local function look(lane, name)
  local first, is_whole, is_full = sift_fronts(lane)
  local walk, is_step = read_walk(lane), find(name, '+', 1, true)
  if is_whole then
    end_walk(lane, first)
  elseif is_full then -- a whole bite was over: the next one is looked at at once
    call('ZADD', tag .. 'expiring', now_text, name)
  elseif is_step or not walk then
    step(lane, walk or { name = 'queue', from = 0, first = FOREVER })
  else -- rows came that the walk under way may not meet: it begins again when it is through
    walk.first = 0
    write_walk(lane, walk)
  end
  if call('EXISTS', lane.queue) == 0 then leave_ring(lane) end
  if call('EXISTS', lane.parked) == 0 then leave_wait(lane) end
end

-- expire_rows: end what is over in the lanes that are due for it, the longest due first.
local function expire_rows(bite)
  expired, bite_max = {}, bite
  if off.schedule or first_of('expiring') > now then return end
  local names = call('ZRANGEBYSCORE', tag .. 'expiring', '-inf', now_text, 'LIMIT', 0, LANES_MAX)
  for _, name in ipairs(names) do
    call('ZREM', tag .. 'expiring', name)
    look(lane_of(tonumber(string.match(name, '%d+'))), name)
  end
  forget_first('expiring')
end
