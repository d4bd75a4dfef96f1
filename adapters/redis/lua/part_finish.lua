-- part_finish: the end of a claim: windows are pruned, scopes forgotten, everything is written.
--
-- Needs    part_flush.
-- ARGV[3]  worker   who asks
-- ARGV[4]  counter  which of its wishes
local function flush_waiting()
  local scopes = waiting_now()
  for i = 1, #scopes do
    local scope, any = scopes[i], 0
    for p = 0, 3 do any = any + call('EXISTS', tag .. 'wait:' .. scope .. ':' .. p) end
    if any == 0 then
      call('ZREM', tag .. 'waiting', scope)
      forget_waiting()
    end
  end
end

-- A worker silent for a day is no more: its counter is forgotten.
local WORKER_GONE_MS = 86400000

local function prune_workers()
  call('ZADD', tag .. 'workers', now, argv[3])
  local gone = call('ZRANGEBYSCORE', tag .. 'workers', '-inf', now - WORKER_GONE_MS, 'LIMIT', 0, 50)
  for _, worker in ipairs(gone) do
    call('HDEL', meta_key, 'worker:' .. worker)
    call('ZREM', tag .. 'workers', worker)
  end
end

-- prune_windows: about twice a second; no answer depends on it.
local function prune_windows()
  if now - meta.pruned < PRUNE_EVERY_MS then return end
  meta.pruned, meta.pruned_text = now, now_text
  prune_workers()
  for _, win in pairs(windows) do
    local past = call('ZRANGEBYSCORE', win.key, '-inf', cut, 'LIMIT', 0, PRUNE_MAX)
    if #past > 0 then
      call('ZREM', win.key, unpack(past))
      if win.several then call('HDEL', win.proofs, unpack(past)) end
    end
  end
end

local function flush_claim()
  flush_lanes()
  for i = 1, #sender_order do flush_sender(sender_order[i]) end
  flush_rings()
  flush_waiting()
  for i = 1, #opens, 200 do
    call('HSET', tag .. 'open', unpack(opens, i, min(i + 199, #opens)))
  end
  if given > 0 then
    local claim = argv[3] .. ':' .. argv[4]
    call('HSET', tag .. 'claims', claim, table.concat(names, ','))
    call('ZADD', tag .. 'leases', lease_text, claim)
  end
  flush_windows()
  flush_pairs()
  prune_windows()
end
