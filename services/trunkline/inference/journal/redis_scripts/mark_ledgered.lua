-- The attempts of ended runs are in the ledger; from now on time alone keeps them. ARGV: ms that
-- they may outlive their time, then ids.
for place = 3, #ARGV do
  local id = ARGV[place]
  if redis.call('ZREM', prefix .. 'unledgered', id) == 1 then
    local principal, user, expires_ms, digest = unpack(get(id,
      'principal', 'on_behalf_of', 'expires_ms', 'idempotency_key'))
    redis.call('HSET', run_key(id), 'is_ledgered', 1)
    redis.call('ZADD', prefix .. 'expiring', expires_ms, id .. '\0' .. principal .. '\0' .. user)
    -- Where nobody is left who trims, they go nevertheless.
    local last_ms = tonumber(expires_ms) + tonumber(ARGV[2])
    for _, part in ipairs(PARTS) do
      redis.call('PEXPIREAT', run_key(id) .. part, last_ms)
    end
    if digest ~= '' then
      redis.call('PEXPIREAT', prefix .. 'key:' .. digest, last_ms)
    end
  end
end
