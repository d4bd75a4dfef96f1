-- part_job_name: the name of a row's job, which is `lane.sequence`.
--
-- Needs  part_slot, part_bytes; a lane, which keeps what it is asked for (part_lanes).
--
-- The same hundred of a lane comes again and again, and a number is costly to write.
local two_digits = {}

-- name_hundred: know a hundred of a lane's jobs by name; returns which of them a sequence is.
local function name_hundred(lane, sequence)
  local low = sequence % 100
  local high = sequence - low
  lane.named, lane.named_text = high, lane.prefix .. (high > 0 and text(high / 100) or '')
  return low
end

local function two_digits_of(low)
  two_digits[low] = format('%02d', low)
  return two_digits[low]
end

local function job_name(lane, row)
  local a, b, c, d, e = byte(row, 1, 5)
  local low = (((a * 256 + b) * 256 + c) * 256 + d) * 256 + e - lane.named
  if low < 0 or low > 99 then low = name_hundred(lane, low + lane.named) end
  if lane.named == 0 then return lane.named_text .. digits(low) end
  return lane.named_text .. (two_digits[low] or two_digits_of(low))
end
