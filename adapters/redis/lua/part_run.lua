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
  local ahead_us = (now + (lane.is_low and 10 or 250)) * 1000
  local slots = floor((ahead_us - max(sender.next_us, now * 1000)) / sender.interval_us) + 1
  local room = min(at_most, most - given, steps, #list.rows - list.at + 1, slots)
  if lane.priority == 3 and sender.market_us then
    local from_us = max(sender.market_us, now * 1000)
    room = min(room, floor((ahead_us - from_us) / sender.market_step) + 1)
  end
  if lane.is_low then room = min(room, low_left) end
  if limit.places < 0 then return room end
  return min(room, limit[lane.priority] - limit.before - used_of(lane.win))
end

-- has_time: whether a row's time is not over; a campaign's rows end together.
local function has_time(lane, expires)
  if expires == lane.lasts or expires == NEVER then return true end
  if number6(expires, 1) <= now and not off.schedule then return false end
  lane.lasts = expires
  return true
end

-- take_run: grant plain rows from the front of a lane, up to the first that is none.
local function take_run(lane, at_most)
  if lane.template == '' or off.rate or off.quota then return 0 end
  local list, win, sender, noted = lane.fresh, lane.win, lane.from, lane.noted
  local rows, recipients, scores, dirty = list.rows, list.recipients, win.scores, win.dirty
  local first, number, run = list.at, lane.number, 0
  local slot_us, interval_us = max(sender.next_us, now * 1000), sender.interval_us
  local n, j = given * 2, given * 3
  for i = first, first + room_for(lane, at_most) - 1 do
    local row, recipient = rows[i], recipients[i]
    if scores[recipient] > cut or noted[recipient] or byte(row, 17) ~= 0
      or has_several(win, recipient) or not has_time(lane, sub(row, 21, 26)) then break end
    local job, fence = job_name(lane, row), number2(row, 14) + 1
    local record = in_flight .. sub(row, 1, 13) .. bytes2(fence) .. sub(row, 16)
    opens[n + 1], opens[n + 2] = job, record
    names[n + 1], names[n + 2] = job, digits(fence)
    jobs[j + 1], jobs[j + 2], jobs[j + 3] = number, record, slot_us
    scores[recipient], dirty[recipient] = lease_until, true
    slot_us, run, n, j = slot_us + interval_us, run + 1, n + 2, j + 3
  end
  if run == 0 then return 0 end
  list.at, list.taken = first + run, list.taken + run
  if win.used then win.used = win.used + run end
  sender.next_us, sender.turn, sender.moved = slot_us, sender.turn + run, true
  if lane.priority == 3 then take_share(sender, run) end
  lane.granted, given, steps = lane.granted + run, given + run, steps - run
  if lane.is_low then low_left = low_left - run end
  return run
end
