-- part_bites: a lane's rows as one claim reads them, in bites, with the window scores of each.
--
-- Needs  part_claim and the gates.
local BITE_MAX = 64

-- lane_here: a lane with what this claim needs at hand: its window and its lists. Whoever serves
-- it sets `from`, its sender, once its own gate is known to be open.
local function lane_here(number)
  local lane = lane_of(number)
  if not lane.fresh then
    lane.fresh = { key = lane.queue, rows = NONE, at = 1, taken = 0, more = true }
    lane.kept = { key = lane.parked, rows = NONE, at = 1, taken = 0, more = true }
    window_of(lane)
    lane.granted, lane.is_low, lane.noted = 0, lane.priority > 1, {}
    lane.ends = source_of(lane.source).expires or false
  end
  return lane
end

-- bite: how many rows to read of a lane: first what its sender can send, then more at a time.
local function bite(lane, list)
  local sender = lane.from
  if list.taken > 0 or off.rate or not sender.known then return BITE_MAX end
  local ahead_us = (now + ahead_ms(lane.is_low)) * 1000
  local slots = floor((ahead_us - max(sender.next_us, now * 1000)) / sender.interval_us) + 2
  return max(2, min(BITE_MAX, slots, most - given + 1))
end

-- note_people: who of a bite opted out, wrote to us, or was written to in a burst.
local function note_people(lane, recipients, noted)
  if not some_suppressed and not some_windows and not some_pairs then return end
  local names, categories = {}, {}
  local category = category_of(lane)
  for i, recipient in ipairs(recipients) do
    names[i] = lane.sender .. ':' .. recipient
    categories[i * 2 - 1], categories[i * 2] = recipient .. ':', recipient .. ':' .. category
  end
  local opted = some_suppressed and call('SMISMEMBER', tag .. 'suppressed', unpack(categories))
  local wrote = some_windows and call('ZMSCORE', tag .. 'service', unpack(names))
  local owes = some_pairs and call('ZMSCORE', tag .. 'pairs', unpack(names))
  for i, recipient in ipairs(recipients) do
    local is_out = opted and opted[i * 2 - 1] + opted[i * 2] > 0
    if is_out or wrote and wrote[i] or owes and owes[i] then noted[recipient] = true end
  end
end

-- has_row: whether a list has a next row. Rows come in bites, window scores with them.
local function has_row(lane, list)
  if list.at <= #list.rows then return true end
  if not list.more then return false end
  local rows_read = bite(lane, list)
  local last = list.taken + rows_read - 1
  local rows = call('LRANGE', list.key, digits(list.taken), digits(last))
  local recipients = { unpack(rows) } -- of its size at once
  for i = 1, #rows do recipients[i] = sub(rows[i], 6, 13) end
  list.rows, list.recipients, list.at, list.more = rows, recipients, 1, #rows == rows_read
  if #rows == 0 then return false end
  fetch_scores(lane.win, recipients)
  note_people(lane, recipients, lane.noted)
  note_borders(lane, rows, recipients)
  return true
end

-- pop: take the next row and the recipient it is for.
local function pop(list)
  local at = list.at
  list.at, list.taken = at + 1, list.taken + 1
  return list.rows[at], list.recipients[at]
end
