-- part_due: when a claim may find something to do.
--
-- Needs  part_slot, part_window; meta.policy holds the portfolio's places and what is kept back.
-- Provides  limit_of(scope), taken_in(scope), next_due().
local limits

local function begin_due() limits = {} end

-- ceilings: how many places each priority may use; what one keeps back is closed to those below.
local function ceilings(places)
  if places < 0 then return { places = places, [0] = -1, [1] = -1, [2] = -1, [3] = -1 } end
  local limit, kept = { places = places }, floor(places * meta.policy.headroom)
  for priority = 0, 3 do
    limit[priority] = max(0, places - kept)
    kept = kept + floor(places * meta.policy.reserve[priority])
  end
  return limit
end

local function limit_of(scope)
  local limit = limits[scope]
  if not limit then
    local places = meta.policy.places
    if scope ~= '' then
      local own = tonumber(call('HGET', tag .. 's:' .. scope, 'places') or 0)
      if own ~= 0 then places = own end
    end
    limit = ceilings(places)
    limit.before = now < meta.policy.before_until and meta.policy.before or 0
    limits[scope] = limit
  end
  return limit
end

-- taken_in: places taken, those the operator says were taken before this ledger began included.
local function taken_in(scope) return used_of(window(scope)) + limit_of(scope).before end

local function quota_frees(scope)
  local limit, first = limit_of(scope), FOREVER
  if limit.places < 0 then return FOREVER end
  for priority = 0, 3 do
    if call('EXISTS', tag .. 'wait:' .. scope .. ':' .. priority) == 1 then
      first = min(first, frees_at(window(scope), limit[priority] - limit.before) or FOREVER)
      if limit.before > 0 then first = min(first, meta.policy.before_until) end
    end
  end
  return first
end

local function next_due()
  local first = first_of('due')
  if meta.has.later then first = min(first, first_of('later')) end
  if meta.has.openings then first = min(first, first_of('openings')) end
  local scopes = waiting_now()
  for i = 1, #scopes do first = min(first, quota_frees(scopes[i])) end
  if first >= FOREVER then return FOREVER end
  return max(now, first)
end
