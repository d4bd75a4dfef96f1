-- part_stale: rows of what their source no longer is, as a process queues that has not heard of it.
--
-- Needs  part_bytes, part_sources.
local WHOLE_MESSAGE = 32768 -- content from here on: a message of its own, which no source changes

-- are_stale: whether rows are older than their source's last change: a batch is of one version.
-- `first` is one of them as enqueue takes it, `plain` as it is queued.
local function are_stale(source, first, plain)
  local version = source_of(source).version
  if version == 0 or not first then return false end
  local content = number2(first, plain and 14 or 20)
  return content > 0 and content < WHOLE_MESSAGE and content < version
end
