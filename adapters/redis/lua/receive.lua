-- receive: fold statuses that webhooks brought; any order, any number of times, only ever adding.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_books part_rows part_due part_log
-- uses: part_call part_settle part_dead part_repeats part_outcomes part_receipts part_ends
-- uses: part_asked part_evidence part_marks part_throttled
-- uses: part_folded
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  count     receipts that follow
-- ARGV[4]  receipts  one text, see part_receipts
--
-- Returns  { sequence, due_ms, settled, cancelled, closed }
--   closed  gate, key, ... that this call closed
local settled, cancelled, told = {}, {}, tonumber(argv[3])
find_receipts(argv[4], told)
read_ends(told)
read_asked(told)
local i = fold_from(1, told)
while i <= told do
  take_receipt(i)
  local lane, ended, record = lanes_told[i], end_at(i), opens[i]
  local flags = byte(receipts, heads[i])
  if lane then
    if flags >= TOO_FAST then learn_from(ended, record, lane) end
    if not ended then
      settle_open(record, settled, cancelled)
      ended = end_at(i)
    end
    if ended then
      annotate(ended, lane)
    elseif not record then
      -- Its job was cancelled while it waited for a repeat, or is forgotten: a copy arrived.
      count_arrival(lane)
    end
    note_receipt(i)
  elseif flags >= FOREIGN + TOO_FAST then
    learn_bare()
  elseif flags >= FOREIGN then
    count_arrival(nil)
    note_receipt(i)
  end
  i = fold_from(i + 1, told)
end
flush_closed()
flush_dead()
flush_ends(keep_ms)
flush_moved()
flush_counts()
flush_windows()
call_waiters()
flush_log()
touch(true)
return { meta.sequence, next_due(), settled, cancelled, news }
