-- part_order: whose turn it is: freed places, then fresh jobs, priority by priority.
--
-- Needs  part_serve.
local function note_sleepers(sender)
  if sender.has_sleepers then return end
  sender.has_sleepers = true
  call('HSET', sender.key, 'sleepers', '1')
  new_facts()
  count_busy(SLEEPERS, 1)
end

-- serve_waiting: freed places go to the best waiting jobs whose senders may send now.
local function serve_waiting(scope, priority)
  local ring = load_ring(tag .. 'wait:' .. scope .. ':' .. priority)
  local over, passed_over = {}, 0
  while #ring.list > 0 and is_free(scope, priority) do
    local number
    for _, entry in ipairs(ring.list) do
      if not over[entry.number] then
        number = entry.number
        break
      end
    end
    if not number or passed_over >= WAITERS_MAX then return end
    local lane = lane_here(number)
    if not may_take(priority) then
      -- The wish is full, the place stays free: nothing else would bring anybody back to it.
      load_sender(lane.sender).wants = now
      return
    end
    steps = steps - 1
    local gate, key = closed_gate(lane)
    local sender = not gate and load_sender(lane.sender)
    lane.from = sender
    if gate then
      refuse(lane.sender, gate)
      put_to_sleep(lane, gate, key)
    elseif sender.closed then
      put_to_sleep(lane, 'sender', lane.sender)
      note_sleepers(sender)
    elseif not sender_ready(sender, lane) then
      over[number], passed_over = true, passed_over + 1
    elseif has_row(lane, lane.kept) then
      take_parked(lane, ring)
    else
      ring_leave(ring.key, lane)
    end
  end
end
