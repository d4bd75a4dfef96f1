-- dead_read: what jobs that failed for good may be replayed with, and why not where they may not.
--
-- uses: part_terms part_slot part_meta part_bytes
--
-- KEYS[1]  tag     begin of every key of the portfolio
-- ARGV[1]  now_ms  epoch ms
-- ARGV[2]  terms   see part_terms
-- ARGV[3]  jobs    as many as there are
--
-- Returns  { why, row, ... }
--   why  '' it may be, no_job, not_failed, reached, not_kept
--
-- What came after a failure may prove that the message was taken after all: then it is `reached`.
local found = {}

local function why_not(job, row)
  local number, sequence = string.match(job, '^(%d+)%.(%d+)$')
  if not number then return 'no_job' end
  local bucket = floor(tonumber(sequence) / 4096)
  local packed = call('HGET', tag .. 'done:' .. number .. ':' .. bucket, sequence)
  if not packed then return 'no_job' end
  if sub(packed, 1, 1) ~= 'F' then return 'not_failed' end
  local delivery, mark, wamid = sub(packed, 2, 2), number6(packed, 5), sub(packed, 23)
  local is_undelivered = delivery == '3' and mark == 0
  if not is_undelivered and (delivery ~= '0' or mark > 0 or wamid ~= '') then return 'reached' end
  return row and '' or 'not_kept'
end

for i = 3, #argv do
  local row = call('HGET', tag .. 'dead_rows', argv[i])
  local why = why_not(argv[i], row)
  found[#found + 1] = why
  found[#found + 1] = why == '' and row or ''
end
return found
