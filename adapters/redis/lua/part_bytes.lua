-- part_bytes: whole numbers as bytes, which keeps queued jobs small.
--
-- Needs  part_slot.
local function number2(bytes, at)
  local a, b = byte(bytes, at, at + 1)
  return a * 256 + b
end

-- digits: a small number as text; the same ones come again, and a number is costly to write.
local digits_of = {}
local function digits(number)
  local known = digits_of[number]
  if not known then
    known = text(number)
    if number < 1000 then digits_of[number] = known end
  end
  return known
end

local function bytes2(number) return char(floor(number / 256) % 256, number % 256) end
local function number5(bytes, at)
  local a, b, c, d, e = byte(bytes, at, at + 4)
  return (((a * 256 + b) * 256 + c) * 256 + d) * 256 + e
end

local function number6(bytes, at)
  local a, b, c, d, e, f = byte(bytes, at, at + 5)
  return ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
end

local function bytes5(number)
  local low = number % 65536
  local high = (number - low) / 65536
  return char(floor(high / 65536) % 256, floor(high / 256) % 256, high % 256,
    floor(low / 256), low % 256)
end

local function bytes6(number)
  local low = number % 16777216
  local high = (number - low) / 16777216
  return char(floor(high / 65536) % 256, floor(high / 256) % 256, high % 256,
    floor(low / 65536), floor(low / 256) % 256, low % 256)
end
