-- part_sources: what holds a whole lane: its source, its template, both together, quiet hours.
--
-- Needs  part_lanes; off (set of gates switched off), named before it.
-- src:S            HASH  state weight enqueued, counts, and `ring:sender:priority` lanes in a ring;
--                        quiet, 1 while it has quiet hours
-- templates        HASH  template -> STATUS|category
-- struck           SET   sender|template pairs parked after unknown codes
-- quiet:S          HASH  zone of a lane -> when it is open: `from,until;from,until;`, epoch ms
--
-- Mirror of adapters/memory/slot.py.
local source_cache

local function begin_sources() source_cache = {} end

local function source_fact(name)
  local key = tag .. 'src:' .. name
  local h = call('HMGET', key, 'state', 'weight', 'quiet')
  local fact = { key = key, state = h[1] or 'running', weight = tonumber(h[2] or 1),
    quiet = h[3] == '1' and {} }
  fact.index = { __index = fact }
  return keep_fact(meta.facts.sources, name, fact)
end

local function source_of(name)
  local source = source_cache[name]
  if not source then
    source = setmetatable({}, (meta.facts.sources[name] or source_fact(name)).index)
    source_cache[name] = source
  end
  return source
end

local function template_fact(name)
  local packed = call('HGET', tag .. 'templates', name) or 'UNKNOWN|marketing'
  local bar = find(packed, '|', 1, true)
  local fact = { status = sub(packed, 1, bar - 1), category = sub(packed, bar + 1) }
  return keep_fact(meta.facts.templates, name, fact)
end

local function template_of(name) return meta.facts.templates[name] or template_fact(name) end

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

-- quiet_until: when the quiet hours that hold a lane end; nil when none hold it. They never hold
-- authentication and replies.
local function quiet_until(lane, calendars)
  local category = category_of(lane)
  if category == 'authentication' or category == 'service' then return nil end
  local calendar = calendars[lane.zone]
  if not calendar then
    calendar = call('HGET', tag .. 'quiet:' .. lane.source, lane.zone) or ''
    calendars[lane.zone] = calendar
  end
  return opens_at(calendar)
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
  local calendars = source_of(lane.source).quiet
  if calendars and not off.schedule then
    lane.opens = quiet_until(lane, calendars)
    if lane.opens then return 'schedule', lane.source .. '|' .. lane.zone end
  end
end
