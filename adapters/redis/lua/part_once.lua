-- part_once: nobody is queued twice by a source, whatever keys the rows for him have.
--
-- Needs  part_slot.
-- seen:S  SET  recipients of a source's rows, and dedupe values: see part_known

-- people_of: whom rows are for that come as pack_row packs them, and which of them are known.
local function people_of(source, values, from, rows)
  local people = { here = {} }
  for i = 1, rows do people[i] = sub(values[from + i - 1], 7, 14) end
  people.hits = call('SMISMEMBER', tag .. 'seen:' .. source, unpack(people))
  return people
end

local function is_there(people, i)
  return people[i] and (people.hits[i] == 1 or people.here[people[i]])
end

-- key_of: by which a row is known beside its person; '' where that is all.
local function key_of(dedupe, people)
  if not dedupe or people[1] and #dedupe == 8 then return '' end
  return sub(dedupe, 1, 8)
end

-- enter: note in `seen` a row that is queued: its person, else its dedupe value where it has one.
local function enter(people, i, own, seen)
  local mark = people[i] or own
  if people[i] then people.here[mark] = true end
  if mark ~= '' then seen[#seen + 1] = mark end
end
