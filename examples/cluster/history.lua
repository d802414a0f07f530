#!lua name=history
-- What was said in a room is a stream with the ids 0-1, 0-2 and so on: sequence numbers without a gap.

local KEPT = 1000           -- messages of a room
local REMEMBERED = 86400    -- seconds that the number of a session's last message is known
local LAPSES = 90           -- seconds until a member is gone that nobody has seen

local function seq_of(id)
    return tonumber(string.match(id, '-(%d+)$'))
end

local function last_of(log)
    local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
    return last and seq_of(last[1]) or 0
end

local function now()
    return tonumber(redis.call('TIME')[1])
end

-- log, number of the session's last; number, what was said, topic (or '')
-- Stores only the one that comes next: one that is known is not stored twice, and none is stored before an earlier one.
local function append(keys, args)
    local last, number = tonumber(redis.call('GET', keys[2]) or 0), tonumber(args[1])
    if number ~= last + 1 then
        return {last, last_of(keys[1]), 0}
    end
    local seq = seq_of(redis.call('XADD', keys[1], 'MAXLEN', '~', KEPT, '0-*', 'said', args[2]))
    redis.call('SET', keys[2], number, 'EX', REMEMBERED)
    if args[3] ~= '' then
        redis.call('PUBLISH', args[3], seq .. ' ' .. args[2])
    end
    return {number, seq, 1}
end

-- log, number of the session's last; sequence number, how many at most
local function since(keys, args)
    local found = redis.call('XRANGE', keys[1], '(0-' .. args[1], '+', 'COUNT', args[2])
    for i, entry in ipairs(found) do
        found[i] = {seq_of(entry[1]), entry[2][2]}
    end
    return {tonumber(redis.call('GET', keys[2]) or 0), last_of(keys[1]), found}
end

-- log, who; those who are here
local function beat(keys, args)
    redis.call('ZREMRANGEBYSCORE', keys[2], '-inf', now())
    for _, member in ipairs(args) do
        redis.call('ZADD', keys[2], now() + LAPSES, member)
    end
    redis.call('EXPIRE', keys[2], LAPSES)
    return {0, last_of(keys[1]), {}}
end

-- who; how many at most
local function who(keys, args)
    return redis.call('ZRANGEBYSCORE', keys[1], now(), '+inf', 'LIMIT', 0, args[1])
end

redis.register_function('append', append)
redis.register_function('since', since)
redis.register_function('beat', beat)
redis.register_function('who', who)
