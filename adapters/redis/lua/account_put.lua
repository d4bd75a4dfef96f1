-- account_put: close a WhatsApp Business Account, or categories of it, until a moment; or open it.
--
-- uses: part_terms part_slot part_meta part_bytes part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_shut part_look part_answered
--
-- KEYS[1]  tag       begin of every key of the portfolio
-- ARGV[1]  now_ms    epoch ms
-- ARGV[2]  terms     see part_terms
-- ARGV[3]  waba      the account
-- ARGV[4]  until_ms  epoch ms; 0 opens it, but see part_answered
-- ARGV[5]  shut      until when each category waits, as in part_sources
--
-- Returns  sequence
now_has('accounts')
local accounts = tag .. 'accounts'
local until_ms = closed_until('account|' .. argv[3], accounts, argv[3], tonumber(argv[4]))
call('HSET', accounts, argv[3], until_ms)
put_shut('account', argv[3], argv[5])
look_again()
touch(true)
return meta.sequence
