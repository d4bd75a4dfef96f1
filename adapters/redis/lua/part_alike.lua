-- part_alike: rows of one kind, that come as four texts: most of what is ever queued.
--
-- Needs  part_slot, part_bytes, part_known.
-- seen:S  SET  recipients of a source's rows: see part_known
--
-- The four: `rows` recipients of 8 bytes; what stands in each row between its recipient and when it
-- is due; the lengths of the tails, 2 bytes each; the tails, one behind the other.
--
-- A text that is made of each row costs more than most of what is done with it: there are three.
local bytes = {} -- each as a text

-- all_new: whether nobody of `people` was known, nor stands among them twice; then they are now.
local function all_new(seen_key, hits, people, rows)
  for i = 1, rows do
    if hits[i] == 1 then return false end
  end
  return call('SADD', seen_key, unpack(people)) == rows
end

-- new_ones: the places of rows whose people are new to their source and to the rows before; it
-- has room for so many of them. The others are named, these are known from now on.
local function new_ones(seen_key, hits, people, rows, room)
  local order, seen, here, at = {}, {}, {}, 0
  for i = 1, rows do
    local person = people[i]
    if hits[i] == 1 or here[person] then
      note_known(i - 1, '', '')
    elseif at >= room then
      note_over(i - 1)
    else
      at, here[person] = at + 1, true
      order[at], seen[at] = i, person
    end
  end
  if at > 0 then call('SADD', seen_key, unpack(seen)) end
  return order, at
end

-- rows_of: `count` rows as they are queued, due now, with the sequences after `last`: those at the
-- places `order`, or all where it is nil.
local function rows_of(people, shared, lengths, tails, order, count, last)
  local sizes, fresh, middle = { byte(lengths, 1, #lengths) }, array(count), shared .. bytes6(now)
  local head, low, from, at = sub(bytes5(last), 1, 4), last % 256, 1, 0
  if not bytes[0] then
    for n = 0, 255 do bytes[n] = char(n) end -- a function may do so only in a call
  end
  for i = 1, #people do
    local past = from + sizes[2 * i - 1] * 256 + sizes[2 * i]
    if not order or order[at + 1] == i then
      at, low = at + 1, low + 1
      if low == 256 then head, low = sub(bytes5(last + at), 1, 4), 0 end
      fresh[at] = head .. bytes[low] .. people[i] .. middle .. sub(tails, from, past - 1)
    end
    from = past
  end
  return fresh
end

-- take_alike: those of `rows` rows that are new, as they are queued, and how many; `texts` has the
-- four from `from` on.
local function take_alike(source, texts, from, rows, last, room)
  local seen_key, packed, people, order = tag .. 'seen:' .. source, texts[from], array(rows), nil
  for i = 1, rows do people[i] = sub(packed, 8 * i - 7, 8 * i) end
  local hits, count = call('SMISMEMBER', seen_key, unpack(people)), rows
  if rows > room or not all_new(seen_key, hits, people, rows) then
    order, count = new_ones(seen_key, hits, people, rows, room)
  end
  local shared, lengths, tails = texts[from + 1], texts[from + 2], texts[from + 3]
  return rows_of(people, shared, lengths, tails, order, count, last), count
end
