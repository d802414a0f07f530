#!lua name=history
-- What was said in a room is a stream. Its ids are the sequence numbers: ERA-0, ERA-1, ERA-2 and so on without a gap. An
-- era is a run of Redis, and is called by the second in which it began for this room.

local KEPT = 1000           -- messages of a room
local REMEMBERED = 86400    -- seconds that the number of a session's last message is known
local LAPSES = 90           -- seconds until a member is gone that nobody has seen

local run                   -- of this process of Redis

local function this_run()
    run = run or string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
    return run
end

local function last_of(log)
    local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
    return last and last[1] or '0-0'
end

local function now()
    return tonumber(redis.call('TIME')[1])
end

-- A Redis that was started anew may have lost what it had told, so it doesn't use those numbers again.
local function era_of(log, run_key)
    local era = tonumber(string.match(last_of(log), '%d+'))
    if redis.call('GET', run_key) ~= this_run() then
        redis.call('SET', run_key, this_run())
        era = math.max(era + 1, now())
    end
    return string.format('%d', era)
end

-- log, run, number of the session's last; number, what was said, topic (or '')
-- Stores only the one that comes next: one that is known is not stored twice, and none is stored before an earlier one.
local function append(keys, args)
    local log, last, number = keys[1], tonumber(redis.call('GET', keys[3]) or 0), tonumber(args[1])
    if number ~= last + 1 then
        return {last, last_of(log), 0}
    end
    local seq = redis.call('XADD', log, 'MAXLEN', '~', KEPT, era_of(log, keys[2]) .. '-*', 'said', args[2])
    redis.call('SET', keys[3], number, 'EX', REMEMBERED)
    if args[3] ~= '' then
        redis.call('PUBLISH', args[3], seq .. ' ' .. args[2])
    end
    return {number, seq, 1}
end

-- log, number of the session's last; sequence number, how many at most
local function since(keys, args)
    local found = redis.call('XRANGE', keys[1], '(' .. args[1], '+', 'COUNT', args[2])
    for i, entry in ipairs(found) do
        found[i] = {entry[1], entry[2][2]}
    end
    return {tonumber(redis.call('GET', keys[2]) or 0), found}
end

-- log, who; those who are here
local function beat(keys, args)
    redis.call('ZREMRANGEBYSCORE', keys[2], '-inf', now())
    for _, member in ipairs(args) do
        redis.call('ZADD', keys[2], now() + LAPSES, member)
    end
    redis.call('EXPIRE', keys[2], LAPSES)
    return last_of(keys[1])
end

-- who; how many at most
local function who(keys, args)
    return redis.call('ZRANGEBYSCORE', keys[1], now(), '+inf', 'LIMIT', 0, args[1])
end

redis.register_function('append', append)
redis.register_function('since', since)
redis.register_function('beat', beat)
redis.register_function('who', who)
