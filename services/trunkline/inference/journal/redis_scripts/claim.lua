-- A process becomes a run's owner. ARGV: id, process, epoch that it owned it in or 0, version,
-- most takeovers. Gives its record, or why not.
local OWNED, ENDED, EXHAUSTED, NEWER = 1, 2, 3, 4
local id, process = ARGV[2], ARGV[3]
local owner, epoch, takeovers, version, ended_ms = unpack(get(id,
  'process_id', 'epoch', 'takeovers', 'version', 'ended_ms'))
if not owner or ended_ms ~= '0' then
  return ENDED
end
takeovers = tonumber(takeovers)
if owner ~= process or epoch ~= ARGV[4] then
  if lives_until(owner) > now then
    return OWNED
  end
  if tonumber(version) > tonumber(ARGV[5]) then
    return NEWER
  end
  if redis.call('SISMEMBER', prefix .. 'retired', owner) == 0 then
    if takeovers >= tonumber(ARGV[6]) then
      return EXHAUSTED
    end
    takeovers = takeovers + 1
  end
end
redis.call('HINCRBY', run_key(id), 'epoch', 1)
redis.call('HSET', run_key(id), 'takeovers', takeovers, 'version', ARGV[5])
redis.call('SREM', prefix .. 'owned:' .. owner, id)
give(id, process)
if owner ~= process then
  leave_notice(owner, id)
end
tell(id)
return record(id)
