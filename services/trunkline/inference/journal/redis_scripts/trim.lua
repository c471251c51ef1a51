-- Destroy runs whose time is over. ARGV: most. Gives how many.
local due = redis.call('ZRANGEBYSCORE', prefix .. 'expiring', '-inf', now, 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  local id, principal, user = string.match(member, '^([^%z]*)%z([^%z]*)%z(.*)$')
  -- The key goes first: what it sealed is noise from then on.
  redis.call('HDEL', run_key(id), 'wrapped_key')
  local owner, digest = unpack(get(id, 'process_id', 'idempotency_key'))
  if digest and digest ~= '' then
    redis.call('DEL', prefix .. 'key:' .. digest)
  end
  if owner then
    redis.call('SREM', prefix .. 'notices:' .. owner, id)
  end
  for _, part in ipairs(PARTS) do
    redis.call('UNLINK', run_key(id) .. part)
  end
  for _, name in ipairs({ 'runs', 'runs:' .. principal, 'runs:' .. principal .. '\0' .. user }) do
    redis.call('ZREM', prefix .. name, id)
  end
  redis.call('ZREM', prefix .. 'expiring', member)
end
return #due
