-- part_look: have the next claim look at every sender: a gate may have opened.
--
-- Needs  part_slot.
-- senders  SET  all senders of the portfolio
local function look_again()
  for _, sender in ipairs(call('SMEMBERS', tag .. 'senders')) do
    call('ZADD', tag .. 'due', 'LT', now_text, sender)
  end
end
