-- part_slot: the names, the numbers and the clock that every script of a portfolio's slot shares.
--
-- KEYS[1]  tag           every key of the slot begins with it; it carries the hash tag
-- ARGV[1]  now_ms        epoch ms, from the caller's clock
-- ARGV[2]  tolerance_ms  how far that clock and this server's may differ; 0 does not look
-- ARGV[8]  worker        of a claim: who asks
--
-- Provides  now, meta (what the slot knows of itself), clock_differs, touch().
--
-- Time never goes back in a slot. A caller whose clock differs too much is brought to the edge of
-- what is allowed; only a claim refuses (DESIGN section 4).
local tag, now, meta, meta_key, clock_differs, argv
local call, floor, max, min, sub, byte, char, find -- a function may reach for these only in a call
local FOREVER = 9000000000000
local function text(number) return string.format('%.0f', number) end

local META_NAMES = { 'clock', 'sequence', 'recovering', 'places', 'headroom', 'reserve0',
  'reserve1', 'reserve2', 'by_number', 'before', 'before_until', 'lanes', 'pruned' }

-- read_meta: what the slot knows of itself. `has` says that something of a kind was ever put in,
-- so that most calls need not look; `worker` is the last wish of the worker who asks, if any.
local function read_meta(worker)
  local values = call('HMGET', meta_key, 'clock', 'sequence', 'recovering', 'places', 'headroom',
    'reserve0', 'reserve1', 'reserve2', 'by_number', 'before', 'before_until', 'lanes', 'pruned',
    'has_suppressed', 'has_service', 'has_pairs', 'has_accounts', 'has_strikes', 'has_struck',
    'has_proofs', 'worker:' .. worker)
  meta = { known = values[4], worker = tonumber(values[21] or 0),
    has = { suppressed = values[14], service = values[15], pairs = values[16],
      accounts = values[17], strikes = values[18], struck = values[19], proofs = values[20] } }
  for i = 1, 13 do meta[META_NAMES[i]] = tonumber(values[i] or 0) end
end

local function begin_slot(keys, arguments)
  argv, tag, call = arguments, keys[1], redis.call
  floor, max, min = math.floor, math.max, math.min
  sub, byte, char, find = string.sub, string.byte, string.char, string.find
  meta_key, now, clock_differs = tag .. 'meta', tonumber(argv[1]), false
  read_meta(argv[8] or '')
  local tolerance_ms = tonumber(argv[2])
  if tolerance_ms > 0 then
    local server = call('TIME')
    local server_ms = server[1] * 1000 + floor(server[2] / 1000)
    clock_differs = math.abs(server_ms - now) > tolerance_ms
    now = max(server_ms - tolerance_ms, min(server_ms + tolerance_ms, now))
  end
  now = max(now, meta.clock)
end

-- now_has: something of a kind was put in; calls look for it from now on.
local function now_has(kind)
  if not meta.has[kind] then
    meta.has[kind] = '1'
    call('HSET', meta_key, 'has_' .. kind, '1')
  end
end

-- touch: write the clock down, and a new sequence number when something changed; `field` (or nil)
-- goes along.
local function touch(changed, field, value)
  if changed then meta.sequence = meta.sequence + 1 end
  if field then
    call('HSET', meta_key, 'clock', now, 'sequence', meta.sequence, field, value)
  else
    call('HSET', meta_key, 'clock', now, 'sequence', meta.sequence)
  end
end
