-- part_turns: which senders a claim looks at, and in which order all that wait are served.
--
-- Needs  part_fresh. Mirror of adapters/memory/claim.py.
local SHARE_EVERY = 20

-- serve_share: a lower priority is offered one send in SHARE_EVERY while a higher one is busy.
local function serve_share(sender)
  if not sender.known or sender.closed or sender.turn < SHARE_EVERY then return end
  sender.turn, sender.moved = 0, true
  local first = sender.share
  sender.share = (first + 1) % 3
  local fields = sender.fields
  fields[#fields + 1], fields[#fields + 2] = 'share', digits(sender.share)
  for i = 0, 2 do
    local lower, above = 3 - (first + i) % 3, false
    for p = 0, lower - 1 do
      above = above or has_lanes(sender, p)
    end
    if above and has_lanes(sender, lower) then
      return serve_fresh(sender, lower, 1)
    end
  end
end

-- look_at: a sender whose time has come; lanes that slept behind its gate wake where it is open.
local function look_at(name)
  local sender = load_sender(name)
  if sender.has_sleepers and not sender.closed then
    call('HSET', sender.key, 'sleepers', '0')
    new_facts()
    count_busy(SLEEPERS, -1)
    open_gate('sender', name)
    senders[name] = nil -- its lanes woke after it was looked at
    table.remove(sender_order)
    sender = load_sender(name)
  end
  sender.is_due = true
  return sender
end

-- busy_only: the one priority that has jobs to give; nil where there are several, or none may be
-- taken, or lanes sleep that only a look at their sender wakes.
local function busy_only()
  if meta.busy[SLEEPERS] > 0 then return nil end
  local only
  for priority = 0, 3 do
    if meta.busy[priority] > 0 then
      if only then return nil end
      only = priority
    end
  end
  return only and may_take(only) and only
end

-- due_senders: whose time has come, from place `first` on to place `last`, longest waiting first.
local function due_senders(first, last)
  local flat, names = call('ZRANGE', tag .. 'due', first, last, 'WITHSCORES'), {}
  for i = 1, #flat, 2 do
    if tonumber(flat[i + 1]) > now then break end
    names[#names + 1] = flat[i]
  end
  return names
end

-- serve_in_turn: the first two senders mostly fill the wish; the others are read when they do not.
local function serve_in_turn(at_most, priority)
  local first, last = '0', '1'
  while first do
    local names = due_senders(first, last)
    for _, name in ipairs(names) do
      if not may_take(priority) then return end
      serve_fresh(look_at(name), priority, most)
    end
    first = first == '0' and #names == 2 and may_take(priority) and '2'
    last = at_most - 1
  end
end

-- serve: those who wait for places and those whose senders are due, priority by priority. Where
-- only one priority has jobs there is nothing to weigh: senders are looked at one by one, and
-- those the wish does not reach keep their turn.
local function serve(at_most)
  local only, due = busy_only(), {}
  if not only then
    for i, name in ipairs(due_senders('0', at_most - 1)) do due[i] = look_at(name) end
    for _, sender in ipairs(due) do serve_share(sender) end
  end
  local scopes = waiting_now()
  for priority = 0, 3 do
    for _, scope in ipairs(scopes) do serve_waiting(scope, priority) end
    for _, sender in ipairs(due) do serve_fresh(sender, priority, most) end
    if priority == only then serve_in_turn(at_most, priority) end
  end
end
