-- part_sources: what holds a whole lane: its source, its template, both together, quiet hours.
--
-- Needs  part_lanes; off (set of gates switched off), named before it.
-- src:S            HASH  state weight enqueued, counts, and `ring:sender:priority` lanes in a ring
-- templates        HASH  template -> STATUS|category
-- struck           SET   sender|template pairs parked after unknown codes
-- src:S quiet      1 while the source has quiet hours; calls look once meta.has.quiet
-- quiet:S          HASH  zone of a lane -> when it is open: `from,until;from,until;`, epoch ms
--
-- Mirror of adapters/memory/slot.py.
local source_cache, template_cache

local function begin_sources() source_cache, template_cache = {}, {} end

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

-- opens_at: when a calendar opens; nil while it is open. Where it ends nobody knows: shut.
local function opens_at(calendar)
  for from, till in string.gmatch(calendar or '', '(%d+),(%d+)') do
    if now < tonumber(till) then
      from = tonumber(from)
      return from > now and from or nil
    end
  end
  return FOREVER
end

-- quiet_zone: the zone whose quiet hours hold a lane, and when it opens; nil when none hold it.
-- They never hold authentication and replies.
local function quiet_zone(lane)
  local source, category = source_of(lane.source), category_of(lane)
  if category == 'authentication' or category == 'service' then return nil end
  if source.quiet == nil then source.quiet = call('HGET', source.key, 'quiet') == '1' end
  if not source.quiet then return nil end
  local zone = call('HGET', lane.key, 'zone') or ''
  local opens = opens_at(call('HGET', tag .. 'quiet:' .. lane.source, zone))
  return opens and zone, opens
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
  if meta.has.quiet and not off.schedule then
    local zone, opens = quiet_zone(lane)
    lane.opens = opens
    if zone then return 'schedule', lane.source .. '|' .. zone end
  end
end
