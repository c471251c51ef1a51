-- Something for a run's owner. ARGV: id, item, digest, data. Gives 0 when another one of that
-- id is there.
local id, item = ARGV[2], ARGV[3]
local owner, ended_ms = unpack(get(id, 'process_id', 'ended_ms'))
if not owner or ended_ms ~= '0' then
  return 1
end
local found = redis.call('HGET', run_key(id) .. ':items', item)
if found then
  return found == ARGV[4] and 1 or 0
end
redis.call('HSET', run_key(id) .. ':items', item, ARGV[4])
redis.call('RPUSH', run_key(id) .. ':inbox', item, ARGV[5])
leave_notice(owner, id)
return 1
