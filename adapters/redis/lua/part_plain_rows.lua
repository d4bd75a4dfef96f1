-- part_plain_rows: rows that leave without a look at each, from numbers of which each has one lane.
--
-- Needs  part_senders, part_standing, part_due, part_run (is_alike), part_bites (note_people). What
-- it does to each row is what serve would do.
local LANES_OF = { [0] = 'lanes0', 'lanes1', 'lanes2', 'lanes3' }
local runs, places_left

-- places_for: how many people more may be written to now; what nobody counts has room for all.
local function places_for(priority)
  if meta.policy.places < 0 then return FOREVER end
  local limit = limit_of('')
  local used = call('ZCOUNT', tag .. 'win:', '(' .. text(cut), '+inf')
  return limit[priority] - limit.before - used
end

-- run_of: the rows that a number may send now, `wanted` at most; nil where it wants a closer look.
local function run_of(name, priority, wanted)
  local sender = meta.facts.senders[name] or sender_fact(name)
  if not sender.waba or sender.closed_until > now or account_closed_until(sender.waba) > now
    or sender.learned > 0 and now - sender.raised >= 1000 then return nil end
  local h = call('HMGET', sender.key, 'next_us', 'market', LANES_OF[priority])
  if h[2] or h[3] ~= '1' then return nil end
  local ring = tag .. 'ring:' .. name .. ':' .. digits(priority)
  local first = call('ZRANGE', ring, '0', '0')[1]
  local lane = first and fact_of(tonumber(first))
  if not lane or not lane.source or lane.template == '' or look_at_gates(lane) then return nil end
  local interval_us = math.ceil(1000000 / (sender.learned > 0 and sender.learned or sender.nominal))
  local from_us = max((h[1] or 0) + 0, now * 1000)
  local ahead_us = (now + (priority > 1 and 10 or 250)) * 1000
  local room = min(wanted, floor((ahead_us - from_us) / interval_us) + 1)
  if room < 1 or room > places_left then return nil end
  local rows = call('LRANGE', lane.queue, '0', digits(room))
  if #rows <= room then return nil end -- a lane that has no more leaves its ring
  places_left = places_left - room
  return { sender = sender, lane = lane, rows = rows, room = room, from_us = from_us,
    interval_us = interval_us, next_us = from_us + room * interval_us,
    ends = source_of(lane.source).expires or false, middle = false }
end

-- look_at_rows: choose them, and put whom they are for into `people`; false where one is not plain.
local function look_at_rows(people, priority, wanted, at_most)
  runs, places_left = {}, places_for(priority)
  local first, last, at = '0', '1', told
  while first do
    local names = due_senders(first, last)
    for i = 1, #names do
      if wanted < 1 then return true end
      local run = run_of(names[i], priority, wanted)
      if not run then return false end
      runs[#runs + 1], wanted = run, wanted - run.room
      local rows = run.rows
      for r = 1, run.room do people[at + r] = sub(rows[r], 6, 13) end
      at, run.at, run.is_short = at + run.room, at, wanted > 0
    end
    first, last = first == '0' and #names == 2 and wanted > 0 and '2', at_most - 1
  end
  return runs[1] ~= nil
end
