-- A run begins. ARGV: id, process, principal, user, digest of the key or '', then the fields of
-- the record.
-- Gives the record that is there instead; nothing: it was written.
local id, process, principal, user, digest = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local found = record(id)
if not found and digest ~= '' then
  local holder = redis.call('GET', prefix .. 'key:' .. digest)
  found = holder and record(holder)
end
if found then
  return found
end
redis.call('HSET', run_key(id), unpack(ARGV, 7))
give(id, process)
if digest ~= '' then
  redis.call('SET', prefix .. 'key:' .. digest, id)
end
for _, name in ipairs({ 'live', 'runs', 'runs:' .. principal, 'runs:' .. principal .. '\0' .. user }) do
  redis.call('ZADD', prefix .. name, 0, id)
end
return false
