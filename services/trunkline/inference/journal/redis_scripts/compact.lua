-- All segments of an ended run become one. ARGV: id, epoch, data.
local id = ARGV[2]
local epoch, last, ended_ms = unpack(get(id, 'epoch', 'last_sequence', 'ended_ms'))
if epoch ~= ARGV[3] or ended_ms == '0' then
  return
end
local journal = run_key(id) .. ':journal'
local expires = redis.call('PTTL', journal)
redis.call('UNLINK', journal)
redis.call('XADD', journal, (last == '0' and '1' or last) .. '-1',
  'e', epoch, 'f', '1', 'l', last, 'd', ARGV[4])
if expires > 0 then
  redis.call('PEXPIRE', journal, expires)
end
