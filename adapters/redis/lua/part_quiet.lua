-- part_quiet: the quiet hours of a source: what is shut in which zone, and until when.
--
-- Needs  part_meta, part_lanes; off (set of gates switched off), named before it.
-- quiet:S  HASH  zone of a lane -> when it is open: `from,until;from,until;`, epoch ms
--
-- Provides  opens_at(calendar), quiet_gate(lane, category, calendars), zones_known(source).

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

-- quiet_gate: the gate behind which a lane's zone is quiet, its key, and until when. Nobody waits
-- for the morning with a code or a reply. `calendars` are those that were read of its source.
local function quiet_gate(lane, category, calendars)
  if off.schedule or category == 'authentication' or category == 'service' then return nil end
  local calendar = calendars[lane.zone]
  if not calendar then
    calendar = call('HGET', tag .. 'quiet:' .. lane.source, lane.zone) or ''
    calendars[lane.zone] = calendar
  end
  local opens = opens_at(calendar)
  if opens then return 'schedule', lane.source .. '|' .. lane.zone, opens end
end

-- zones_known: the names of a source's zones, those it was told and those of its lanes, sorted.
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
