-- part_return: what comes back to a claim: a lost answer's jobs, opened sources, delayed jobs.
--
-- Needs    part_finish, part_settle, part_again, part_shut.
-- ARGV[3]  worker   who asks
-- ARGV[4]  counter  which of its wishes
-- give_again: what is still leased of a wish whose answer was lost, with fresh send times; what a
-- gate has closed for meanwhile goes back. Returns how many went back.
local function give_again()
  local claim, went_back = argv[3] .. ':' .. argv[4], 0
  local listed = call('HGET', tag .. 'claims', claim) or ''
  for job, fence in string.gmatch(listed, CLAIMED_JOB) do
    local record = call('HGET', tag .. 'open', job)
    if record and find(record, '^[Ff]') and row_fence(sub(record, 8)) == (tonumber(fence) or 1) then
      local opened = parse_open(job, record)
      local lane, sender = opened.lane, load_sender(opened.lane.sender)
      local gate = closed_now(lane, opened.row, sender.closed)
      if gate then
        refuse(lane.sender, gate)
        close(opened, 0)
        put_back(lane, opened.row)
        went_back = went_back + 1
      else
        if is_slowed(sender, lane) then take_share(sender, 1) end
        give(lane, record, take_slot(sender))
        lease_until = opened.since
      end
    end
  end
  for _, sender in ipairs(sender_order) do
    if sender.known then
      local fields = sender.fields
      if sender.market_us then
        fields[#fields + 1], fields[#fields + 2] = 'market',
          sender.market_share .. text(sender.market_us)
      end
      call('HSET', sender.key, 'next_us', sender.next_us, unpack(fields))
      if sender.is_raised then new_facts() end
    end
  end
  return went_back
end

local function open_scheduled()
  if first_of('openings') > now then return end
  forget_first('openings')
  for _, name in ipairs(call('ZRANGEBYSCORE', tag .. 'openings', '-inf', now, 'LIMIT', 0, 64)) do
    call('ZREM', tag .. 'openings', name)
    if sub(name, 1, 6) == 'quiet:' then
      open_gate('schedule', sub(name, 7))
    elseif find(name, 'shut|', 1, true) == 1 then
      end_shut(name)
    else
      call('HSET', tag .. 'src:' .. name, 'state', 'running')
      new_facts()
      source_of(name).state = 'running'
      open_gate('source', name)
    end
  end
end

local function promote()
  if first_of('later') > now then return end
  forget_first('later')
  local flat = call('ZRANGEBYSCORE', tag .. 'later', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 64)
  for i = #flat - 1, 1, -2 do -- the first one ends up in front
    local job = flat[i]
    local record = call('HGET', tag .. 'aside', job)
    call('ZREM', tag .. 'later', job)
    call('HDEL', tag .. 'aside', job)
    local lane = lane_of_job(job)
    count(lane.source, 'w:' .. GATE_NAME[sub(record, 1, 1)], -1)
    put_back(lane, with_due(sub(record, 2), tonumber(flat[i + 1])))
  end
end
