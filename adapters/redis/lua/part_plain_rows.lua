-- part_plain_rows: rows that leave without a look at each, from numbers of which each has one lane.
--
-- Needs  part_senders, part_standing, part_due, part_due_senders, part_plain_told. What it chooses
-- is what serve would choose.
local LANES_OF = { [0] = 'lanes0', 'lanes1', 'lanes2', 'lanes3' }
-- Runs of rows, each of one lane: see run_of; how many there are, and how many places are left.
local runs, running, places_left = {}, 0, nil

-- places_for: to how many more people may be written now; FOREVER where nobody counts.
local function places_for(priority)
  if meta.policy.places < 0 then return FOREVER end
  local limit = limit_of('')
  local used = call('ZCOUNT', tag .. 'win:', '(' .. text(cut), '+inf')
  return limit[priority] - limit.before - used
end

-- run_of: have `run` be the rows that a number may send now, `wanted` at most; nil where it wants a
-- closer look.
local function run_of(run, name, priority, wanted)
  local sender = meta.facts.senders[name] or sender_fact(name)
  if not sender.waba or sender.closed_until > now or account_closed_until(sender.waba) > now
    or sender.learned > 0 and now - sender.raised >= 1000 then return nil end
  local h = call('HMGET', sender.key, 'next_us', 'market', LANES_OF[priority])
  if h[2] or h[3] ~= '1' then return nil end
  local first = call('ZRANGE', tag .. 'ring:' .. name .. ':' .. digits(priority), '0', '0')[1]
  local lane = first and fact_of(tonumber(first))
  if not lane or not lane.source or lane.template == '' or look_at_gates(lane) then return nil end
  local interval_us = step_of(sender)
  local from_us = max((h[1] or 0) + 0, now * 1000)
  local ahead_us = (now + ahead_ms(priority > 1)) * 1000
  local room = min(wanted, floor((ahead_us - from_us) / interval_us) + 1)
  if room < 1 or room > places_left then return nil end
  local rows = call('LRANGE', lane.queue, '0', digits(room))
  if #rows <= room then return nil end -- a lane that has no more leaves its ring
  places_left = places_left - room
  run.sender, run.lane, run.rows, run.room = sender, lane, rows, room
  run.from_us, run.interval_us, run.next_us = from_us, interval_us, from_us + room * interval_us
  run.ends = source_of(lane.source).expires or false
  return run
end

-- look_at_rows: choose them; whether all may be plain. Returns how many.
local function look_at_rows(priority, wanted, most)
  running, places_left = 0, places_for(priority)
  local first, last, at, whom, sub = '0', '1', told, whom, sub
  while first do
    local due = due_senders(first, last)
    for i = 1, #due do
      if wanted < 1 then return at - told end
      local run = run_of(runs[running + 1] or {}, due[i], priority, wanted)
      if not run then return 0 end
      running = running + 1
      runs[running] = run
      local rows, room = run.rows, run.room
      for r = 1, room do whom[at + r] = sub(rows[r], 6, 13) end
      at, run.at, wanted = at + room, at, wanted - room
      run.is_short = wanted > 0
    end
    first, last = first == '0' and #due == 2 and wanted > 0 and '2', min(64, max(8, most)) - 1
  end
  return at - told
end
