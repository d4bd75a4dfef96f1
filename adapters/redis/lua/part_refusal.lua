-- part_refusal: why a batch is not queued at all.
--
-- Needs  part_meta, part_bytes, part_sources.
local WHOLE_MESSAGE = 32768 -- content from here on: a message of its own, which no source changes

-- are_stale: whether rows are older than their source's last change: a batch is of one version.
-- `first` is one of them as enqueue takes it, or what all share; its content stands at `at`.
local function are_stale(source, first, at)
  local version = source_of(source).version
  if version == 0 or not first then return false end
  local content = number2(first, at)
  return content > 0 and content < WHOLE_MESSAGE and content < version
end

-- refused: the word for it; nil when it is queued. queue_max 0 is no bound.
local function refused(source, template, rows, queue_max)
  if source_of(source).state == 'cancelled' then return 'cancelled' end
  if template ~= '' and OVER[template_of(template).status] then return 'ended' end
  if queue_max == 0 then return nil end
  local enqueued = tonumber(call('HGET', meta_key, 'enqueued') or 0)
  if enqueued - meta.ended + rows > queue_max then return 'full' end
end
