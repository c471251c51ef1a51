-- What all scripts share; it stands before each. ARGV[1] is the prefix of all keys.
--
--   runs                     sorted set  every run, by id; also `runs:PRINCIPAL`, `runs:PRINCIPAL\0USER`
--   live                     sorted set  runs that go on, by id
--   unledgered               sorted set  ended runs, by the ms of their end
--   expiring                 sorted set  ledgered runs, by the ms at which they go; RUN\0PRINCIPAL\0USER
--   processes                sorted set  processes, by the ms until which they live
--   retired                  set         those that said that they live no longer
--   owned:PROCESS            set         runs that go on and belong to it
--   notices:PROCESS          set         runs of which it has not heard yet
--   turns                    hash        work of the fleet: PROCESS\0MS
--   key:DIGEST               string      the run of an idempotency key
--   run:ID                   hash        the record
--   run:ID:journal           stream      segments; an id is the sequence it reaches, and its number
--   run:ID:inbox             list        item, data, item, data …
--   run:ID:items             hash        item, digest
--   run:ID:readers           hash        process, count
local prefix = ARGV[1]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local FIELDS = {
  'process_id', 'run_id', 'principal', 'on_behalf_of', 'target', 'created_ns', 'wrapped_key',
  'grace_s', 'continues', 'retention_s', 'request_digest', 'epoch', 'takeovers', 'version',
  'state', 'last_sequence', 'ended_ms', 'status', 'is_ledgered', 'terms',
}
local PARTS = { '', ':journal', ':inbox', ':items', ':readers' }

local function run_key(id)
  return prefix .. 'run:' .. id
end

local function get(id, ...)
  return redis.call('HMGET', run_key(id), ...)
end

-- Until when a process lives, in ms; 0: it never did.
local function lives_until(process)
  return tonumber(redis.call('ZSCORE', prefix .. 'processes', process) or 0)
end

-- A record as its reader in Python wants it; false: there is none.
local function record(id, leaves_out_terms)
  local fields = FIELDS
  if leaves_out_terms then
    fields = { unpack(FIELDS, 1, #FIELDS - 1) }
  end
  local values = get(id, unpack(fields))
  if not values[1] then
    return false
  end
  local readers, elsewhere = 0, 0
  local found = redis.call('HGETALL', run_key(id) .. ':readers')
  for place = 1, #found, 2 do
    if lives_until(found[place]) > now then
      readers = readers + tonumber(found[place + 1])
      elsewhere = elsewhere + (found[place] ~= values[1] and 1 or 0)
    end
  end
  local is_owned = lives_until(values[1]) > now
  return { values, readers, elsewhere, is_owned and 1 or 0 }
end

-- Note whose a run is; a process of which nobody heard counts as gone from now on.
local function give(id, process)
  redis.call('HSET', run_key(id), 'process_id', process, 'owned_ms', now)
  redis.call('SADD', prefix .. 'owned:' .. process, id)
  redis.call('ZADD', prefix .. 'processes', 'NX', now, process)
end

-- Have a run's owner woken.
local function leave_notice(process, id)
  redis.call('SADD', prefix .. 'notices:' .. process, id)
  redis.call('PUBLISH', prefix .. 'process:' .. process, id)
end

-- Have those woken who follow a run.
local function tell(id)
  redis.call('PUBLISH', prefix .. 'wake:' .. id, '')
end
