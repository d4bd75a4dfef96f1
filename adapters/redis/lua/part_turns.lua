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

-- serve: those who wait for places and those whose senders are due, priority by priority. Where
-- only one priority has jobs there is nothing to weigh: senders are looked at one by one, and
-- those the wish does not reach keep their turn.
local function serve(at_most)
  local due = NONE
  only = busy_only()
  if not only then
    due = {}
    for i, name in ipairs(due_senders('0', at_most - 1)) do due[i] = look_at(name) end
    for i = 1, #due do serve_share(due[i]) end
  end
  local scopes = waiting_now()
  for priority = 0, 3 do
    for i = 1, #scopes do serve_waiting(scopes[i], priority) end
    for i = 1, #due do serve_fresh(due[i], priority, most) end
    if priority == only then serve_in_turn(at_most, priority) end
  end
end
