-- part_sources: what holds a whole lane: its source, its template, that its category is shut, quiet
-- hours.
--
-- Needs  part_meta, part_lanes, part_quiet; off (set of gates switched off), named before it.
-- src:S            HASH  state weight enqueued, counts, and `ring:sender:priority` lanes in a ring;
--                        quiet, 1 while it has quiet hours; once changed: expires, of all its jobs,
--                        repeats, how often each may be written again, and version, below which
--                        no row is of its message any more
-- templates        HASH  template -> STATUS|category, and |version once it changed
-- struck           SET   sender|template pairs parked after unknown codes
-- shut             HASH  sender|S, account|W -> until when each category of its messages waits:
--                        authentication|service|utility|marketing, epoch ms, 0 is open
--
-- Mirror of adapters/memory/slot.py.
local OVER = { DISABLED = 132016, DELETED = 132001 } -- Meta's codes for what never comes back
local source_cache

local function begin_sources() source_cache = {} end
local function source_fact(name)
  local key = tag .. 'src:' .. name
  local h = call('HMGET', key, 'state', 'weight', 'quiet', 'expires', 'repeats', 'version')
  local fact = { key = key, state = h[1] or 'running', weight = tonumber(h[2] or 1),
    quiet = h[3] == '1' and {}, expires = h[4] and tonumber(h[4]),
    repeats = h[5] and tonumber(h[5]), version = tonumber(h[6] or 0) }
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
  local status, category, version = string.match(packed, '^([^|]+)|(%a+)|?(%d*)$')
  local fact = { status = status, category = category, version = tonumber(version) or 0 }
  return keep_fact(meta.facts.templates, name, fact)
end

local function template_of(name) return meta.facts.templates[name] or template_fact(name) end

local function category_of(lane)
  if lane.template == '' then return 'service' end
  return template_of(lane.template).category
end

local function read_shut(packed)
  local a, s, u, m = string.match(packed or '', '^(%d+)|(%d+)|(%d+)|(%d+)$')
  return { authentication = tonumber(a or 0), service = tonumber(s or 0),
    utility = tonumber(u or 0), marketing = tonumber(m or 0) }
end

-- shut_of: what waits at a sender and at its account; read only where something is shut at all.
local function shut_of(sender)
  local shut = meta.facts.shut[sender]
  if shut then return shut end
  local waba = call('HGET', tag .. 's:' .. sender, 'waba') or ''
  local packed = call('HMGET', tag .. 'shut', 'sender|' .. sender, 'account|' .. waba)
  return keep_fact(meta.facts.shut, sender,
    { waba = waba, sender = read_shut(packed[1]), account = read_shut(packed[2]) })
end

-- shut_gate: the gate behind which a lane's category waits, its key, and until when.
local function shut_gate(lane)
  local shut, category = shut_of(lane.sender), category_of(lane)
  if shut.sender[category] > now and not off.sender then
    return 'sender', lane.sender .. '|' .. category, shut.sender[category]
  end
  if shut.account[category] > now and not off.account then
    return 'account', shut.waba .. '|' .. category, shut.account[category]
  end
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
  local calendars, gate, key, till = source_of(lane.source).quiet
  if meta.has.shut then gate, key, till = shut_gate(lane) end
  if gate then return gate, key, till end
  if calendars then return quiet_gate(lane, category_of(lane), calendars) end
end
