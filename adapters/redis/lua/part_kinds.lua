-- part_kinds: kinds of things that are in a slot, so that most calls need not look for them.
--
-- Needs  part_meta.
-- meta   HASH  has: stamp|kind kind ... ; the stamp is that of part_facts
--
-- Provides  now_has(), has_no_more(), first_of(), forget_first().
local firsts

local function begin_kinds() firsts = {} end

local function read_kinds(packed)
  local bar = find(packed, '|', 1, true) or 0
  local has = { stamp = sub(packed, 1, bar - 1) }
  for kind in string.gmatch(sub(packed, bar + 1), '%a+') do has[kind] = true end
  return cache(kinds, packed, has)
end

local function write_kinds(packed)
  meta.kinds = packed
  meta.has = kinds[packed] or read_kinds(packed)
  call('HSET', meta_key, 'has', packed)
end

-- now_has: something of a kind was put in; calls look for it from now on.
local function now_has(kind)
  if not meta.has[kind] then write_kinds(meta.kinds .. kind .. ' ') end
end

-- has_no_more: nothing of a kind is there any more; calls need not look for it.
local function has_no_more(kind)
  if meta.has[kind] then write_kinds((string.gsub(meta.kinds, '%f[%a]' .. kind .. ' ', ''))) end
end

-- first_of: the nearest moment in a sorted set of moments; read once, until somebody forgets it.
-- Of most sets there is a kind: while nothing is in them they are not looked at.
local HAS_KIND = { later = true, openings = true, doubts = true, expiring = true }
local function first_of(name)
  local first = firsts[name]
  if not first then
    first = FOREVER
    if meta.has[name] or not HAS_KIND[name] then
      first = tonumber(call('ZRANGE', tag .. name, '0', '0', 'WITHSCORES')[2] or FOREVER)
      if first == FOREVER and HAS_KIND[name] then has_no_more(name) end
    end
    firsts[name] = first
  end
  return first
end

local function forget_first(name) firsts[name] = nil end
