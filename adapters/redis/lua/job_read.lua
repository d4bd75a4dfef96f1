-- job_read: where one job stands.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_closed part_books part_due
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  lane      number of its lane
-- ARGV[4]  sequence  its place there
--
-- Returns  { kind, packed, gate, until_ms, key, source, sender, template }
--   kind    '' no such job, done, open (gate is its sender then, until_ms when its doubt is
--           decided), aside, cancelled, waiting, queued
--   packed  the record of it; why it was cancelled with its template, as a code, else 0
--   key     of a gate that holds the whole lane
local LOOKED_AT = 100 -- rows of a queue
local number, sequence = tonumber(argv[3]), tonumber(argv[4])
if number < 1 or number > meta.lanes then return { '', '', '', 0 } end
local lane = lane_of(number)
local last = tonumber(call('HGET', lane.key, 'last') or 0) -- the lane may be forgotten
if sequence < 1 or sequence > last then return { '', '', '', 0 } end
local job = number .. '.' .. text(sequence)
local done = call('HGET', done_key(number, sequence), sequence)
if done then return { 'done', done, '', 0 } end
local record = call('HGET', tag .. 'open', job)
if record then
  local decided_ms = tonumber(call('ZSCORE', tag .. 'doubts', job) or 0)
  return { 'open', record, lane.sender, decided_ms }
end
-- answer: where a job stands that has not left, and whose gates it stands behind.
local function answer(kind, packed, gate, until_ms, key)
  return { kind, packed, gate, until_ms, key or '', lane.source, lane.sender, lane.template }
end

-- is_parked: whether a job waits for a place while others of its lane are queued. Rows are queued
-- in order behind those that were taken before and came back, so the first ones tell.
local function is_parked()
  if call('EXISTS', lane.parked) == 0 then return false end
  local rows, passed = call('LRANGE', lane.queue, 0, LOOKED_AT - 1), false
  for _, row in ipairs(rows) do
    local queued = number5(row, 1)
    if queued == sequence then return false end
    passed = passed or queued > sequence
  end
  return passed or #rows < LOOKED_AT
end

local aside = call('HGET', tag .. 'aside', job)
if aside then
  return answer('aside', aside, sub(aside, 1, 1), tonumber(call('ZSCORE', tag .. 'later', job)))
end
if source_of(lane.source).state == 'cancelled' then return answer('cancelled', '0', '', 0) end
local code = ended_with(lane, sequence)
if code then return answer('cancelled', text(code), '', 0) end
local gate = closed_gate(lane)
if gate then return answer('waiting', '', gate, lane.gate_until or 0, lane.gate_key) end
local holds, till = gate_of_sender(lane.sender)
if holds then return answer('waiting', '', holds, till) end
if is_parked() then
  return answer('waiting', '', 'quota', quota_frees(scope_of(lane.sender)))
end
return answer('queued', '', '', 0)
