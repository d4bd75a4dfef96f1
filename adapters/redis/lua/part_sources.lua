-- part_sources: what holds a whole lane: its source, its template, and the two of them together.
--
-- Needs  part_lanes; off (set of gates switched off), named before it.
-- src:S            HASH  state weight enqueued, counts, and `ring:sender:priority` lanes in a ring
-- templates        HASH  template -> STATUS|category
-- struck           SET   sender|template pairs parked after unknown codes
--
-- Mirror of adapters/memory/slot.py.
local source_cache

local function begin_sources() source_cache = {} end

local function source_fact(name)
  local key = tag .. 'src:' .. name
  local h = call('HMGET', key, 'state', 'weight')
  local fact = { key = key, state = h[1] or 'running', weight = tonumber(h[2] or 1) }
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
end
