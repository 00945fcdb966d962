#!lua name=xt1
-- Admission, metering and money of one shard, each step atomic. KEYS[1] is always the shard's
-- hash tag ("{s17}"): it routes the call in a cluster, and every key touched here begins with it:
--
--   :epoch          the moment from which admissions are served; missing: nothing was restored
--   :r:{request}    marker of a request: live, reaped, settled or void
--   :l:{endpoint}   leases of an endpoint's running requests, by the moment they end
--   :due            the same for the whole shard, for the reaper
--   :e:{endpoint}   buckets;   at requests tokens            ┐ and in each of these three:
--   :k:{key}        quota;     q_count q_ends                │ budget budget_v (monthly ceiling),
--   :p:{project}    balance;   granted seq spent             │ held, m:{month} (spent in it)
--                   allowance; a:{month}:{tier} ah:{tier}    ┘
--   :usage          stream of usage events;  :usage:done  what of it PostgreSQL has
--
-- Two rules hold everywhere: all questions are asked before the first write, so that a refused
-- request consumes nothing; and whatever a request holds is written in its marker, so that one
-- call can give back exactly that, once. Money is integer micro-units, time is microseconds.

local KEEP_S = 49 * 3600 -- how long an ended request is remembered
local LATE_US = 48 * 3600 * 1e6 -- beyond this a missing marker proves nothing any more
local MINUTE_US = 60 * 1e6
local UNRESTORED = 'unrestored'

local function int(value) return string.format('%.0f', value) end

local function call(...) return server.call(...) end

local function now_us(given)
  if given and given ~= '' then return tonumber(given) end
  local time = call('TIME')
  return tonumber(time[1]) * 1e6 + tonumber(time[2])
end

-- Year and month ("202611") of a moment, UTC. Howard Hinnant's days-to-civil, months only.
local function month_of(us)
  local z = math.floor(us / 86400e6) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  local year = yoe + era * 400 + (month <= 2 and 1 or 0)
  return int(year * 100 + month), doy - math.floor((153 * mp + 2) / 5) + 1
end

-- Microseconds until the next UTC month begins: walk whole days, at most 31.
local function month_left_us(us)
  local month = month_of(us)
  local day = math.floor(us / 86400e6) * 86400e6
  for ahead = 1, 31 do
    if month_of(day + ahead * 86400e6) ~= month then return day + ahead * 86400e6 - us end
  end
end

-- The moment in a "req_" + UUIDv7, in microseconds.
local function began_us(id)
  local hex = string.gsub(string.sub(id, 5), '-', '')
  return (tonumber(string.sub(hex, 1, 12), 16) or 0) * 1000
end

local function marker_key(tag, id) return tag .. ':r:' .. id end
local function leases_key(tag, endpoint) return tag .. ':l:' .. endpoint end
local function due_key(tag) return tag .. ':due' end

-- The three accounts that a request is charged to: project, endpoint, key.
local function accounts(tag, who)
  return { tag .. ':p:' .. who.project, tag .. ':e:' .. who.endpoint, tag .. ':k:' .. who.key }
end

local function read_marker(tag, id)
  local packed = call('GET', marker_key(tag, id))
  return packed and cmsgpack.unpack(packed) or nil
end

local function keep_marker(tag, id, marker)
  call('SET', marker_key(tag, id), cmsgpack.pack(marker), 'EX', KEEP_S)
end

-- ── Buckets ──────────────────────────────────────────────────────────────────────────────
-- A bucket is one number, the moment at which it will be full again (GCRA): taking n moves it
-- n steps of step_us ahead; cap_us is how far ahead it may be. Debt is being further ahead.

local function taken(full_at, now, amount, bucket)
  local after = math.max(full_at, now) + amount * bucket.step_us
  local over = after - now - bucket.cap_us
  if over <= 0.5 or (full_at <= now and amount * bucket.step_us > bucket.cap_us) then
    return after, 0
  end
  -- What is larger than the whole bucket has to wait until it is full.
  return nil, math.min(over, full_at - now)
end

local function left(full_at, now, bucket)
  if bucket.step_us == 0 then return -1, 0 end
  local ahead = math.max(full_at - now, 0)
  return math.max(math.floor((bucket.cap_us - ahead) / bucket.step_us + 1e-6), 0), ahead
end

local function write_buckets(key, now, buckets)
  call('HSET', key, 'at', int(now), 'requests', int(buckets.requests), 'tokens',
    string.format('%.3f', buckets.tokens))
end

-- The two buckets of an endpoint. A clock that went back takes them along, at once and even if
-- nothing is taken: otherwise they would stay empty for as long as it went back.
local function read_buckets(key, now)
  local raw = call('HMGET', key, 'at', 'requests', 'tokens')
  local back = math.max(tonumber(raw[1] or now) - now, 0)
  local buckets = { requests = tonumber(raw[2] or 0) - back, tokens = tonumber(raw[3] or 0) - back }
  if back > 0 then write_buckets(key, now, buckets) end
  return buckets
end

local function shift_tokens(tag, endpoint, now, step_us, amount)
  if step_us == 0 or amount == 0 then return end
  local key = tag .. ':e:' .. endpoint
  local buckets = read_buckets(key, now)
  buckets.tokens = math.max(buckets.tokens, now) + amount * step_us
  write_buckets(key, now, buckets)
end

-- ── Money and allowances ─────────────────────────────────────────────────────────────────

-- Which ceiling refuses to hold this much more, if any. Budgets and the allowance count a UTC
-- month; the balance counts for ever. A request that costs nothing asks nobody.
local function refused_by(tag, who, month, more)
  local keys = accounts(tag, who)
  if more.allowance > 0 then
    local raw = call('HMGET', keys[1], 'a:' .. month .. ':' .. who.tier, 'ah:' .. who.tier)
    if tonumber(raw[1] or 0) + tonumber(raw[2] or 0) + more.tokens > more.allowance then
      return 'allowance'
    end
  end
  if more.money == 0 then return nil end
  for _, key in ipairs(keys) do
    local raw = call('HMGET', key, 'budget', 'm:' .. month, 'held')
    if raw[1] and tonumber(raw[2] or 0) + tonumber(raw[3] or 0) + more.money > tonumber(raw[1]) then
      return 'budget'
    end
  end
  local raw = call('HMGET', keys[1], 'granted', 'spent', 'held')
  local free = tonumber(raw[1] or 0) - tonumber(raw[2] or 0) - tonumber(raw[3] or 0)
  return more.money > free and 'balance' or nil
end

local function hold(tag, who, tokens, money)
  local keys = accounts(tag, who)
  if tokens ~= 0 then call('HINCRBY', keys[1], 'ah:' .. who.tier, int(tokens)) end
  if money == 0 then return end
  for _, key in ipairs(keys) do call('HINCRBY', key, 'held', int(money)) end
end

local function charge(tag, who, month, tokens, money)
  local keys = accounts(tag, who)
  if tokens ~= 0 then call('HINCRBY', keys[1], 'a:' .. month .. ':' .. who.tier, int(tokens)) end
  if money == 0 then return end
  call('HINCRBY', keys[1], 'spent', int(money))
  for _, key in ipairs(keys) do call('HINCRBY', key, 'm:' .. month, int(money)) end
end

local function release(tag, id, marker)
  call('ZREM', leases_key(tag, marker.who.endpoint), id)
  call('ZREM', due_key(tag), id)
  hold(tag, marker.who, -marker.hold_tokens, -marker.hold_money)
end

local function lease(tag, id, endpoint, until_us)
  call('ZADD', leases_key(tag, endpoint), int(until_us), id)
  call('ZADD', due_key(tag), int(until_us), id)
end

-- ── Admission ────────────────────────────────────────────────────────────────────────────

local function read_quota(key, now, count, window_us)
  if count == 0 then return nil end
  local raw = call('HMGET', key, 'q_count', 'q_ends')
  local used, ends = tonumber(raw[1] or 0), tonumber(raw[2] or 0)
  if now >= ends then used, ends = 0, now + window_us end
  return { used = used, ends = math.min(ends, now + window_us), full = used >= count }
end

local function running(tag, endpoint, now)
  return call('ZCOUNT', leases_key(tag, endpoint), '(' .. int(now), '+inf')
end

-- word, requests left, µs until full, tokens left, µs until full, µs to wait, balance left
local function answer(word, ask, buckets, now, wait_us)
  local requests, requests_us = left(buckets.requests, now, ask.requests)
  local tokens, tokens_us = left(buckets.tokens, now, ask.tokens)
  local raw = call('HMGET', ask.project_key, 'granted', 'spent', 'held')
  local free = tonumber(raw[1] or 0) - tonumber(raw[2] or 0) - tonumber(raw[3] or 0)
  return { word, requests, requests_us, tokens, tokens_us, math.ceil(wait_us), free }
end

local function read_ask(args)
  local ask = {
    who = { project = args[1], endpoint = args[2], key = args[3], tier = args[4] },
    requests = { step_us = tonumber(args[5]), cap_us = tonumber(args[6]) },
    tokens = { step_us = tonumber(args[7]), cap_us = tonumber(args[8]) },
    concurrent = tonumber(args[9]),
    quota = tonumber(args[10]), quota_us = tonumber(args[11]) * 1e6,
    allowance = tonumber(args[12]), lease_us = tonumber(args[13]) * 1e6,
    about = args[14], id = args[15], est_in = tonumber(args[16]), est_out = tonumber(args[17]),
    est_money = tonumber(args[18]), hold_tokens = tonumber(args[19]),
    hold_money = tonumber(args[20]), forced = args[21] == '1',
  }
  return ask
end

-- Ask every limit. Returns the word of the first that refuses and how long it will, or what to
-- write. Final ones come first: who can't be served this month need not be told to wait a second.
local function judge(tag, ask, now, month, buckets, quota)
  if ask.forced then return nil, 0 end
  if quota and quota.full then return 'quota', quota.ends - now end
  local more = { tokens = ask.hold_tokens, money = ask.hold_money, allowance = ask.allowance }
  local ceiling = refused_by(tag, ask.who, month, more)
  if ceiling then return ceiling, month_left_us(now) end
  if running(tag, ask.who.endpoint, now) >= ask.concurrent then return 'concurrency', 1e6 end
  local after, wait = taken(buckets.requests, now, 1, ask.requests)
  if not after then return 'requests', wait end
  after, wait = taken(buckets.tokens, now, ask.est_in + ask.est_out, ask.tokens)
  if not after then return 'tokens', wait end
  return nil, 0
end

local function let_in(tag, ask, now, month, buckets, quota)
  buckets.requests = math.max(buckets.requests, now) + ask.requests.step_us
  buckets.tokens = math.max(buckets.tokens, now) + (ask.est_in + ask.est_out) * ask.tokens.step_us
  write_buckets(tag .. ':e:' .. ask.who.endpoint, now, buckets)
  if quota then
    call('HSET', tag .. ':k:' .. ask.who.key, 'q_count', quota.used + 1, 'q_ends', int(quota.ends))
  end
  hold(tag, ask.who, ask.hold_tokens, ask.hold_money)
  lease(tag, ask.id, ask.who.endpoint, now + ask.lease_us)
  call('SET', marker_key(tag, ask.id), cmsgpack.pack({
    state = 'live', who = ask.who, month = month, began = now, about = ask.about,
    est_in = ask.est_in, est_out = ask.est_out, est_money = ask.est_money,
    hold_tokens = ask.hold_tokens, hold_money = ask.hold_money,
    request_us = ask.requests.step_us, token_us = ask.tokens.step_us, quota = quota and 1 or 0,
  }))
end

-- A shard opens a moment after it was restored. A moment far ahead is a clock that went back.
local function is_open(tag, now, forced)
  local opens = call('GET', tag .. ':epoch')
  if not opens then return false end
  local ahead = tonumber(opens) - now
  return forced or ahead <= 0 or ahead > MINUTE_US
end

-- Let a request in or say which limit refuses it. Asked twice it answers the same.
local function admit(keys, args)
  local tag, ask, now = keys[1], read_ask(args), now_us(args[22])
  ask.project_key = tag .. ':p:' .. ask.who.project
  if not is_open(tag, now, ask.forced) then return { UNRESTORED, 0, 0, 0, 0, 1e6, 0 } end
  local buckets = read_buckets(tag .. ':e:' .. ask.who.endpoint, now)
  local marker = read_marker(tag, ask.id)
  if marker then
    return answer(marker.state == 'live' and 'admitted' or 'ended', ask, buckets, now, 0)
  end
  local month = month_of(now)
  local quota = read_quota(tag .. ':k:' .. ask.who.key, now, ask.quota, ask.quota_us)
  local word, wait_us = judge(tag, ask, now, month, buckets, quota)
  if not word then let_in(tag, ask, now, month, buckets, quota) end
  return answer(word or 'admitted', ask, buckets, now, wait_us)
end

-- Keep a request's lease alive and, if more is asked for, hold that too.
local function renew(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[7])
  local marker = read_marker(tag, id)
  if not marker then return 'unknown' end
  if marker.state ~= 'live' then return 'ended' end
  lease(tag, id, marker.who.endpoint, now + tonumber(args[2]) * 1e6)
  local tokens, money = tonumber(args[3]), tonumber(args[4])
  if tokens == 0 and money == 0 then return 'renewed' end
  local more = { tokens = tokens, money = money, allowance = tonumber(args[5]) }
  local ceiling = refused_by(tag, marker.who, month_of(now), more)
  if ceiling and args[6] ~= '1' then return ceiling end
  hold(tag, marker.who, tokens, money)
  shift_tokens(tag, marker.who.endpoint, now, marker.token_us, tokens)
  marker.est_out = marker.est_out + tokens
  marker.est_money = marker.est_money + money
  marker.hold_tokens = marker.hold_tokens + tokens
  marker.hold_money = marker.hold_money + money
  call('SET', marker_key(tag, id), cmsgpack.pack(marker))
  return 'renewed'
end

-- ── The end of a request ─────────────────────────────────────────────────────────────────

local function emit(tag, kind, event, was)
  return call('XADD', tag .. ':usage', '*', 'event', event, 'kind', kind, 'was', was or '')
end

-- Settle what the reaper had settled by estimate: charge the difference, and say what it was.
local function amend(tag, id, marker, used, now, event)
  local tokens = used.tokens - marker.est_in - marker.est_out
  charge(tag, marker.who, marker.month, tokens, used.cost - marker.est_money)
  shift_tokens(tag, marker.who.endpoint, now, marker.token_us, tokens)
  local was = int(marker.est_in) .. ' ' .. int(marker.est_out) .. ' ' .. int(marker.est_money)
  return 'amended', emit(tag, 'amend', event, was)
end

local function finish(tag, id, marker, used, now, event)
  release(tag, id, marker)
  charge(tag, marker.who, marker.month, used.tokens, used.cost)
  local tokens = used.tokens - marker.est_in - marker.est_out
  shift_tokens(tag, marker.who.endpoint, now, marker.token_us, tokens)
  return 'settled', emit(tag, 'settle', event)
end

-- Settle a request that has no marker: it was admitted while this server was away, or what the
-- server knew is lost. Too old, and it may have been settled and forgotten: PostgreSQL decides.
local function recover(tag, id, who, used, now, event)
  local began = began_us(id)
  if now - began > LATE_US then return 'late', emit(tag, 'late', event) end
  charge(tag, who, (month_of(began)), used.tokens, used.cost)
  return 'recovered', emit(tag, 'settle', event)
end

-- Release what a request holds, charge what it used and report it, once however often it is said.
local function settle(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[9])
  if not call('GET', tag .. ':epoch') then return { UNRESTORED, '' } end
  local who = { project = args[2], endpoint = args[3], key = args[4], tier = args[5] }
  local used = { tokens = tonumber(args[6]), cost = tonumber(args[7]) }
  local marker = read_marker(tag, id)
  local word, place
  if not marker then
    word, place = recover(tag, id, who, used, now, args[8])
  elseif marker.state == 'live' then
    word, place = finish(tag, id, marker, used, now, args[8])
  elseif marker.state == 'reaped' then
    word, place = amend(tag, id, marker, used, now, args[8])
  elseif marker.state == 'settled' then
    return { 'again', marker.place }
  else
    return { 'void', '' }
  end
  keep_marker(tag, id, { state = 'settled', place = place })
  return { word, place }
end

-- Undo an admission whose request never ran, as if it had never been asked for.
local function void(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[2])
  local marker = read_marker(tag, id)
  if marker and marker.state ~= 'live' then return marker.state end
  keep_marker(tag, id, { state = 'void' })
  if not marker then return 'void' end
  release(tag, id, marker)
  local key = tag .. ':e:' .. marker.who.endpoint
  local buckets = read_buckets(key, now)
  buckets.requests = buckets.requests - marker.request_us
  buckets.tokens = buckets.tokens - (marker.est_in + marker.est_out) * marker.token_us
  write_buckets(key, now, buckets)
  local key_account = tag .. ':k:' .. marker.who.key
  if marker.quota == 1 and tonumber(call('HGET', key_account, 'q_count') or 0) > 0 then
    call('HINCRBY', key_account, 'q_count', -1)
  end
  return 'void'
end

local function orphan_event(id, marker, now)
  return '{"request_id":"' .. id .. '",' .. marker.about .. ',"worker_id":"","status":0,'
    .. '"ending":"gateway_lost","source":"estimated","tokens_in":' .. int(marker.est_in)
    .. ',"tokens_out":' .. int(marker.est_out) .. ',"tokens_cached":0,"cost":'
    .. int(marker.est_money) .. ',"ttft_ms":null,"latency_ms":' .. int((now - marker.began) / 1000)
    .. '}'
end

-- Settle requests whose lease ran out: their gateway is gone. They are charged as estimated, up
-- to what was last renewed; the gateway's journal corrects that if it comes back.
local function reap(keys, args)
  local tag, now = keys[1], now_us(args[2])
  if not call('GET', tag .. ':epoch') then return 0 end
  local ids = call('ZRANGEBYSCORE', due_key(tag), '-inf', int(now), 'LIMIT', 0, tonumber(args[1]))
  for _, id in ipairs(ids) do
    local marker = read_marker(tag, id)
    if marker and marker.state == 'live' then
      release(tag, id, marker)
      charge(tag, marker.who, marker.month, marker.est_in + marker.est_out, marker.est_money)
      emit(tag, 'settle', orphan_event(id, marker, now))
      marker.state, marker.about = 'reaped', nil
      keep_marker(tag, id, marker)
    else
      call('ZREM', due_key(tag), id)
    end
  end
  return #ids
end

-- ── From the control plane ───────────────────────────────────────────────────────────────

-- Set what a project was granted in all. ``seq`` is the ledger entry it was summed up to: a
-- publisher that is behind changes nothing.
local function grant(keys, args)
  local key = keys[1] .. ':p:' .. args[1]
  if tonumber(args[3]) <= tonumber(call('HGET', key, 'seq') or -1) then return 0 end
  call('HSET', key, 'granted', args[2], 'seq', args[3])
  return 1
end

-- Set or lift ('') the enforced monthly ceiling of an account ("p:…", "e:…", "k:…").
local function budget(keys, args)
  local key = keys[1] .. ':' .. args[1]
  if tonumber(args[3]) <= tonumber(call('HGET', key, 'budget_v') or -1) then return 0 end
  call('HSET', key, 'budget_v', args[3])
  if args[2] == '' then call('HDEL', key, 'budget') else call('HSET', key, 'budget', args[2]) end
  return 1
end

-- Put counters of an account back from PostgreSQL. Refused once the shard is open: then they live.
local function restore(keys, args)
  if call('GET', keys[1] .. ':epoch') then return 0 end
  call('HSET', keys[1] .. ':' .. args[1], unpack(args, 2))
  return 1
end

-- Remember requests that PostgreSQL has already, so that no journal charges them again.
local function remember(keys, args)
  for _, id in ipairs(args) do
    if not read_marker(keys[1], id) then
      keep_marker(keys[1], id, { state = 'settled', place = '0-0' })
    end
  end
  return #args
end

-- Open a restored shard. Settling begins at once, so that the journals are replayed first;
-- admissions are served ``wait_s`` later. New events get places above what PostgreSQL has.
local function open(keys, args)
  local tag, now = keys[1], now_us(args[3])
  if call('GET', tag .. ':epoch') then return 0 end
  if args[2] ~= '' then
    if call('EXISTS', tag .. ':usage') == 0 then
      call('XDEL', tag .. ':usage', call('XADD', tag .. ':usage', args[2], 'x', ''))
    end
    call('SET', tag .. ':usage:done', args[2])
  end
  call('SET', tag .. ':epoch', int(now + tonumber(args[1]) * 1e6))
  return 1
end

server.register_function('xt1_admit', admit)
server.register_function('xt1_renew', renew)
server.register_function('xt1_settle', settle)
server.register_function('xt1_void', void)
server.register_function('xt1_reap', reap)
server.register_function('xt1_grant', grant)
server.register_function('xt1_budget', budget)
server.register_function('xt1_restore', restore)
server.register_function('xt1_remember', remember)
server.register_function('xt1_open', open)
