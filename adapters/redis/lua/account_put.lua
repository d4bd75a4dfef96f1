-- account_put: close a WhatsApp Business Account, or categories of it, until a moment; or open it.
--
-- uses: part_slot part_meta part_bytes part_terms part_window part_proofs part_lanes part_quiet
-- uses: part_sources part_standing part_rest part_shut part_look
--
-- KEYS[1]   tag           begin of every key of the portfolio
-- ARGV[1]   now_ms        epoch ms
-- ARGV[2]   tolerance_ms  how far the clocks may differ; 0 does not look
-- ARGV[3]   span_ms       how long a recipient counts
-- ARGV[4]   guard_ms      see part_terms
-- ARGV[5]   lease_ms      see part_terms
-- ARGV[6]   keep_ms       see part_terms
-- ARGV[7]   gates_off     see part_terms
-- ARGV[8]   waba          the account
-- ARGV[9]   until_ms      epoch ms; 0 opens it
-- ARGV[10]  shut          until when each category waits, as in part_sources
--
-- Returns  sequence
now_has('accounts')
call('HSET', tag .. 'accounts', argv[8], argv[9])
put_shut('account', argv[8], argv[10])
look_again()
touch(true)
return meta.sequence
