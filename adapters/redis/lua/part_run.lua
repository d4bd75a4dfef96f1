-- part_run: plain rows of one lane leave in a run, with what they share looked at once.
--
-- Needs  part_grant. What it does to each row is what examine and grant would do.
--
-- A row is plain when nothing of it needs a look: a person who does not count yet, did not opt
-- out, write to us or get a burst; no repeat, and time left. In a campaign that is nearly every
-- row, and a claim's time is spent here.

-- room_for: how many rows of a lane the wish, its sender's send times and the places leave room
-- for, of those at hand.
local function room_for(lane, at_most)
  local list, sender, limit = lane.fresh, lane.from, limit_of(lane.scope)
  local ahead_us = (now + ahead_ms(lane.is_low)) * 1000
  local slots = floor((ahead_us - max(sender.next_us, now * 1000)) / sender.interval_us) + 1
  local room = min(at_most, most - given, steps, #list.rows - list.at + 1, slots)
  if is_slowed(sender, lane) then
    local from_us = max(sender.market_us, now * 1000)
    room = min(room, floor(((now + 10) * 1000 - from_us) / sender.market_step) + 1)
  end
  if lane.is_low then room = min(room, low_left) end
  if limit.places < 0 then return room end
  return min(room, limit[lane.priority] - limit.before - used_of(lane.win))
end

-- is_alike: whether what follows the recipient in a row (`middle`: fence to expires) lets it leave
-- without a look: no repeat, and time left. A campaign's rows are alike, and looked at once; they
-- end at a moment that was changed since (`ends`), or at their own.
local function is_alike(lane, middle)
  if byte(middle, 4) ~= 0 then return false end
  local ends = lane.ends or number6(middle, 8)
  if ends > 0 and ends <= now and not off.schedule then return false end
  local fence = number2(middle, 1) + 1
  lane.middle, lane.rest = middle, bytes2(fence) .. sub(middle, 3)
  lane.fence = fence > 1 and ':' .. digits(fence)
  return true
end

-- take_run: grant plain rows from the front of a lane, up to the first that is none.
local function take_run(lane, at_most)
  if lane.template == '' or off.rate or off.quota then return 0 end
  local list, win, sender, noted = lane.fresh, lane.win, lane.from, lane.noted
  local rows, recipients, scores, adds = list.rows, list.recipients, win.scores, win.adds
  local first, number, run = list.at, lane.number, 0
  local slot_us, interval_us = max(sender.next_us, now * 1000), sender.interval_us
  local n, o, j, a, several = #names, #opens, #jobs, #adds, win.several
  local room = room_for(lane, at_most)
  if n == 0 then names, opens, jobs = array(room), array(room * 2), array(room + 4) end
  if a == 0 then
    adds = array(room * 2)
    win.adds = adds
  end
  local sub, cut, in_flight, lease_until, lease_text = sub, cut, in_flight, lease_until, lease_text
  local names, opens, jobs, first_at = names, opens, jobs, j
  for i = first, first + room - 1 do
    local row, recipient = rows[i], recipients[i]
    local middle = sub(row, 14, 26)
    if scores[recipient] > cut or noted[recipient] or several and has_several(win, recipient)
      or middle ~= lane.middle and not is_alike(lane, middle) then break end
    local job = job_name(lane, row)
    local record = in_flight .. sub(row, 1, 13) .. lane.rest .. sub(row, 27)
    opens[o + 1], opens[o + 2] = job, record
    names[n + 1] = lane.fence and job .. lane.fence or job
    jobs[j + 5] = record
    scores[recipient], adds[a + 1], adds[a + 2] = lease_until, lease_text, recipient
    run, n, o, j, a = run + 1, n + 1, o + 2, j + 1, a + 2
  end
  if run == 0 then return 0 end
  jobs[first_at + 1], jobs[first_at + 2] = number, slot_us
  jobs[first_at + 3], jobs[first_at + 4] = interval_us, run
  list.at, list.taken = first + run, list.taken + run
  if win.used then win.used = win.used + run end
  sender.next_us, sender.turn, sender.moved = slot_us + run * interval_us, sender.turn + run, true
  if is_slowed(sender, lane) then take_share(sender, run) end
  lane.granted, given, steps = lane.granted + run, given + run, steps - run
  if lane.is_low then low_left = low_left - run end
  return run
end
