-- part_receipts: a batch of receipts, read one after the other out of one text.
--
-- Needs     part_slot, part_meta, part_bytes, part_lanes.
-- A receipt is packed: flags 1 (1 nobody was reached, 2 too fast, 4 no job of ours), sizes 5 (lane
-- 1, sequence 1, wamid 2, sender 1), fence 4, code 4; then what the log keeps: lane, dot, sequence,
-- rank 1, + or - (it counts or not), recipient 8, moment 6; then wamid and sender.
--
-- Provides  receipt, which take_receipt fills anew for each. All functions of a server share one
--           collector of garbage, and a string or table for each status costs more than what is
--           done with it: what only few need is cut out of the text when it is asked for.
local HEAD, FIXED, TOO_FAST, FOREIGN = 14, 17, 2, 4
local receipts, heads, ranks, lanes_told, sequences
local receipt, last_moment, last_ms, last_seen = {}, nil, nil, nil

local some_odd -- whether one is of no job of ours, or says that its sender was too fast

local function begin_receipts() last_moment, some_odd = nil, false end

-- lane_named: the lane of that number; false where none was ever given it.
local function lane_named(prefix)
  local number = tonumber(prefix)
  local lane = number > 0 and number <= meta.lanes and lane_of(number)
  lanes_by_prefix[prefix] = lane
  return lane
end

-- find_receipts: where each receipt and its rank stand, and of which lane and which job it is.
local function find_receipts(packed, count)
  receipts, heads, ranks = packed, array(count), array(count)
  lanes_told, sequences = array(count), array(count)
  local firsts, places, lanes, names, at = heads, ranks, lanes_told, sequences, 1
  for i = 1, count do
    local flags, lane_size, sequence_size, high, low, sender_size = byte(packed, at, at + 5)
    local dot, lane = at + HEAD + lane_size, false
    some_odd = some_odd or flags >= TOO_FAST
    if flags < FOREIGN then
      local prefix = sub(packed, at + HEAD, dot - 1)
      lane = lanes_by_prefix[prefix]
      if lane == nil then lane = lane_named(prefix) end
    end
    local rank_at = dot + sequence_size + 1
    firsts[i], places[i], lanes[i] = at, rank_at, lane
    names[i] = lane and sub(packed, dot + 1, rank_at - 1)
    at = rank_at + FIXED - 1 + high * 256 + low + sender_size
  end
end

-- read_moment: when it happened, as a number and packed. No moment is later than now.
local function read_moment(moment)
  last_moment, last_ms, last_seen = moment, number6(moment, 1), moment
  if last_ms > now then last_ms, last_seen = now, now_bytes end
end

-- take_receipt: what every receipt is asked for.
local function take_receipt(i)
  local rank_at = ranks[i]
  local rank, sign = byte(receipts, rank_at, rank_at + 1)
  local moment = sub(receipts, rank_at + 10, rank_at + 15)
  if moment ~= last_moment then read_moment(moment) end
  receipt.place, receipt.rank, receipt.counts = i, rank - 48, sign == 43
  receipt.at_ms, receipt.moment = last_ms, last_seen
end

local function number_at(at) return number2(receipts, at) * 65536 + number2(receipts, at + 2) end
local function job_at(i) return sub(receipts, heads[i] + HEAD, ranks[i] - 1) end
local function recipient_at(i) return sub(receipts, ranks[i] + 2, ranks[i] + 9) end
local function fence_told() return number_at(heads[receipt.place] + 6) end
local function code_told() return number_at(heads[receipt.place] + 10) end
local function was_reached() return byte(receipts, heads[receipt.place]) % 2 == 0 end
local function wamid_at(i)
  local first = ranks[i] + 16
  return sub(receipts, first, first + number2(receipts, heads[i] + 3) - 1)
end
local function wamid_told() return wamid_at(receipt.place) end
local function sender_at(i)
  local first = ranks[i] + 16 + number2(receipts, heads[i] + 3)
  return sub(receipts, first, first + byte(receipts, heads[i] + 5) - 1)
end

-- note_receipt: the log's entry of the receipt, which came with it.
local function note_receipt(i)
  note_told(sub(receipts, heads[i] + HEAD, ranks[i] + 9), last_seen)
end
