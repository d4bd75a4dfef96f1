-- part_due_senders: whose time has come; where only one priority has jobs they are read as far as
-- the wish reaches.
--
-- Needs  part_senders, part_fresh. Mirror of adapters/memory/claim.py.
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

-- busy_alone: the one priority that has jobs to give; nil where there are several or none, or
-- lanes sleep that only a look at their sender wakes.
local function busy_alone()
  if meta.busy[SLEEPERS] > 0 then return nil end
  local busy
  for priority = 0, 3 do
    if meta.busy[priority] > 0 then
      if busy then return nil end
      busy = priority
    end
  end
  return busy
end

-- busy_only: the same, of which this wish may take.
local function busy_only()
  local busy = busy_alone()
  return busy and may_take(busy) and busy or nil
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
    for i = 1, #names do
      if not may_take(priority) then return end
      serve_fresh(look_at(names[i]), priority, most)
    end
    first = first == '0' and #names == 2 and may_take(priority) and '2'
    last = at_most - 1
  end
end
