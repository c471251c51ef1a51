-- A process lives for a while. ARGV: process, ms.
redis.call('ZADD', prefix .. 'processes', now + tonumber(ARGV[3]), ARGV[2])
redis.call('SREM', prefix .. 'retired', ARGV[2])
