-- What one commit holds of several runs. ARGV, for each: id, epoch, first, last, data, state or
-- '', final state or '', status, whether the key is freed, ms without a reader or ''.
-- Gives for each what became of it.
local DONE, SUPERSEDED, ENDED, READ = 1, 2, 3, 4

-- Whether an end that wants no readers finds one, or one that left too lately.
local function is_read(id, read_ms, unread_ms)
  for _, process in ipairs(redis.call('HKEYS', run_key(id) .. ':readers')) do
    local left = lives_until(process)
    if left > now then
      return true
    end
    read_ms = math.max(read_ms, left)
  end
  return read_ms > 0 and now - read_ms < unread_ms
end

-- Whether an append is the last one again, of which its writer heard nothing.
local function is_written(id, epoch, first, last, data)
  local newest = redis.call('XREVRANGE', run_key(id) .. ':journal', '+', '-', 'COUNT', 1)[1]
  if not newest then
    return false
  end
  local fields = newest[2]
  return fields[2] == epoch and fields[4] == first and fields[6] == last and fields[8] == data
end

local function finish(id, owner, retention_s, state, status, frees_key)
  local ended = { 'state', state, 'status', status, 'ended_ms', now }
  redis.call('HSET', run_key(id), unpack(ended))
  redis.call('HSET', run_key(id), 'expires_ms', now + math.floor(tonumber(retention_s) * 1000))
  redis.call('SREM', prefix .. 'owned:' .. owner, id)
  redis.call('ZREM', prefix .. 'live', id)
  redis.call('ZADD', prefix .. 'unledgered', now, id)
  local digest = redis.call('HGET', run_key(id), 'idempotency_key')
  if frees_key == '1' and digest ~= '' then
    redis.call('DEL', prefix .. 'key:' .. digest)
    redis.call('HSET', run_key(id), 'idempotency_key', '')
  end
end

local function append(id, epoch, first, last, data, state, final, status, frees_key, unread_ms)
  local owner, current, sequence, segments, ended_ms, retention_s, read_ms = unpack(get(id,
    'process_id', 'epoch', 'last_sequence', 'segments', 'ended_ms', 'retention_s', 'read_ms'))
  if not owner then
    return SUPERSEDED
  end
  if ended_ms ~= '0' then
    return ENDED
  end
  local is_owner = epoch ~= '0'
  local holds_events = is_owner and first ~= '0'
  if is_owner and epoch ~= current then
    return SUPERSEDED
  end
  if holds_events then
    if last == sequence and is_written(id, epoch, first, last, data) then
      return DONE
    end
    if tonumber(sequence) ~= tonumber(first) - 1 then
      return SUPERSEDED
    end
  end
  if unread_ms ~= '' and is_read(id, tonumber(read_ms), tonumber(unread_ms)) then
    return READ
  end
  if holds_events then
    if data ~= '' then
      segments = segments + 1
      -- One without events lies before those that follow it.
      local reach = tonumber(last) < tonumber(first) and first or last
      redis.call('XADD', run_key(id) .. ':journal', reach .. '-' .. segments,
        'e', epoch, 'f', first, 'l', last, 'd', data)
    end
    redis.call('HSET', run_key(id), 'last_sequence', last, 'segments', segments)
    if state ~= '' then
      redis.call('HSET', run_key(id), 'state', state)
    end
  end
  if final ~= '' then
    finish(id, owner, retention_s, final, status, frees_key)
    if not is_owner then
      leave_notice(owner, id)
    end
  end
  tell(id)
  return DONE
end

local outcomes = {}
for place = 2, #ARGV, 10 do
  outcomes[#outcomes + 1] = append(unpack(ARGV, place, place + 9))
end
return outcomes
