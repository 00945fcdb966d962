#!lua name=xt1
-- Admission, metering and money of one shard, each step atomic. KEYS[1] is always the shard's
-- hash tag ("{s17}"): it routes the call in a cluster, and every key touched here begins with it:
--
--   :epoch          the moment from which admissions are served; missing: nothing was restored
--   :restoring      who restores it: gone if everything was lost again meanwhile
--   :r:{request}    marker of a request: live, reaped, settled or void
--   :l:{endpoint}   leases of an endpoint's running requests, by the moment they end
--   :endpoints      which endpoints have leases, for the reaper
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
local DAY_US = 86400 * 1e6
local UNRESTORED = 'unrestored'

local function call(...) return server.call(...) end

-- For text only: as arguments of commands whole numbers stay exact by themselves.
local function int(value) return string.format('%.0f', value) end

local function now_us(given)
  if given and given ~= '' then return tonumber(given) end
  local time = call('TIME')
  return tonumber(time[1]) * 1e6 + tonumber(time[2])
end

-- Year and month ("202611") of a moment, UTC, as in Howard Hinnant's civil_from_days.
local function month_of(us)
  local z = math.floor(us / DAY_US) + 719468
  local era = math.floor(z / 146097)
  local doe = z - era * 146097
  local yoe = math.floor((doe - math.floor(doe / 1460) + math.floor(doe / 36524)
    - math.floor(doe / 146096)) / 365)
  local doy = doe - (365 * yoe + math.floor(yoe / 4) - math.floor(yoe / 100))
  local mp = math.floor((5 * doy + 2) / 153)
  local month = mp < 10 and mp + 3 or mp - 9
  return int((yoe + era * 400 + (month <= 2 and 1 or 0)) * 100 + month)
end

-- Microseconds until the next UTC month begins: at most 31 days to look at.
local function month_left_us(us)
  local month, today = month_of(us), math.floor(us / DAY_US) * DAY_US
  for ahead = 1, 31 do
    if month_of(today + ahead * DAY_US) ~= month then return today + ahead * DAY_US - us end
  end
end

-- The moment in a "req_" + UUIDv7, in microseconds.
local function began_us(id)
  local hex = string.gsub(string.sub(id, 5), '-', '')
  return (tonumber(string.sub(hex, 1, 12), 16) or 0) * 1000
end

local function project_key(tag, who) return tag .. ':p:' .. who.project end
local function endpoint_key(tag, who) return tag .. ':e:' .. who.endpoint end
local function key_key(tag, who) return tag .. ':k:' .. who.key end
local function leases_key(tag, who) return tag .. ':l:' .. who.endpoint end

-- ── Markers ──────────────────────────────────────────────────────────────────────────────
-- A list rather than a map, because one is packed and unpacked twice for every request.

local FIELDS = { 'state', 'place', 'month', 'began', 'about', 'est_in', 'est_out', 'est_money',
  'hold_tokens', 'hold_money', 'request_us', 'token_us', 'quota' }
local WHO = { 'project', 'endpoint', 'key', 'tier' }

local function unpacked(packed)
  if not packed then return nil end
  local list, marker = cmsgpack.unpack(packed), { who = {} }
  for at, name in ipairs(FIELDS) do marker[name] = list[at] end
  for at, name in ipairs(WHO) do marker.who[name] = list[#FIELDS + at] end
  return marker
end

local function packed(marker)
  local list = {}
  for at, name in ipairs(FIELDS) do list[at] = marker[name] or '' end
  for at, name in ipairs(WHO) do list[#FIELDS + at] = marker.who[name] end
  return cmsgpack.pack(list)
end

local function marker_key(tag, id) return tag .. ':r:' .. id end

local function keep_live(tag, id, marker) call('SET', marker_key(tag, id), packed(marker)) end

local function keep_ended(tag, id, state, place)
  call('SET', marker_key(tag, id), cmsgpack.pack({ state, place or '' }), 'EX', KEEP_S)
end

-- What a shard knows before anything is decided: whether it is open, and the request's marker.
local function look_up(tag, id)
  local raw = call('MGET', tag .. ':epoch', marker_key(tag, id))
  return raw[1], unpacked(raw[2])
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
  call('HSET', key, 'at', now, 'requests', buckets.requests, 'tokens', buckets.tokens)
end

-- The two buckets in an endpoint's account. A clock that went back takes them along, at once and
-- even if nothing is taken: otherwise they would stay empty for as long as it went back.
local function buckets_in(key, now, at, requests, tokens)
  local back = math.max(tonumber(at or now) - now, 0)
  local buckets = { requests = tonumber(requests or 0) - back, tokens = tonumber(tokens or 0) - back }
  if back > 0 then write_buckets(key, now, buckets) end
  return buckets
end

local function read_buckets(key, now)
  local raw = call('HMGET', key, 'at', 'requests', 'tokens')
  return buckets_in(key, now, raw[1], raw[2], raw[3])
end

local function shift_tokens(tag, who, now, step_us, amount)
  if step_us == 0 or amount == 0 then return end
  local key = endpoint_key(tag, who)
  local buckets = read_buckets(key, now)
  buckets.tokens = math.max(buckets.tokens, now) + amount * step_us
  write_buckets(key, now, buckets)
end

-- ── Money and allowances ─────────────────────────────────────────────────────────────────
-- Three accounts pay for a request: project, endpoint and key. Budgets and the allowance count a
-- UTC month, the balance counts for ever. What costs nothing need ask, and tell, nobody.

local function read_project(tag, who, month)
  local raw = call('HMGET', project_key(tag, who), 'budget', 'held', 'm:' .. month, 'granted',
    'spent', 'a:' .. month .. ':' .. who.tier, 'ah:' .. who.tier)
  return {
    budget = raw[1], held = tonumber(raw[2] or 0), month = tonumber(raw[3] or 0),
    free = tonumber(raw[4] or 0) - tonumber(raw[5] or 0) - tonumber(raw[2] or 0),
    tokens = tonumber(raw[6] or 0) + tonumber(raw[7] or 0),
  }
end

local function read_endpoint(tag, who, month, now)
  local key = endpoint_key(tag, who)
  local raw = call('HMGET', key, 'budget', 'held', 'm:' .. month, 'at', 'requests', 'tokens')
  return {
    budget = raw[1], held = tonumber(raw[2] or 0), month = tonumber(raw[3] or 0),
    buckets = buckets_in(key, now, raw[4], raw[5], raw[6]), is_new = not raw[4],
  }
end

local function read_key(tag, who, month)
  local raw = call('HMGET', key_key(tag, who), 'budget', 'held', 'm:' .. month, 'q_count', 'q_ends')
  return {
    budget = raw[1], held = tonumber(raw[2] or 0), month = tonumber(raw[3] or 0),
    q_count = tonumber(raw[4] or 0), q_ends = tonumber(raw[5] or 0),
  }
end

-- A request that holds neither money nor tokens of an allowance asks only its endpoint, and its
-- key if that has a quota.
local FREE = { free = 0 }

local function read_accounts(tag, who, month, now, more)
  local is_paid = more.money > 0
  local project = (is_paid or more.allowance > 0) and read_project(tag, who, month) or FREE
  local key = (is_paid or more.quota > 0) and read_key(tag, who, month) or nil
  return project, read_endpoint(tag, who, month, now), key
end

local function exceeds(account, money)
  return account.budget and account.month + account.held + money > tonumber(account.budget)
end

-- Which ceiling refuses to hold this much more, if any.
local function refused_by(project, endpoint, key, more)
  if more.allowance > 0 and project.tokens + more.tokens > more.allowance then
    return 'allowance'
  end
  if more.money == 0 then return nil end
  if exceeds(project, more.money) or exceeds(endpoint, more.money) or exceeds(key, more.money) then
    return 'budget'
  end
  return more.money > project.free and 'balance' or nil
end

local function hold(tag, who, tokens, money)
  if tokens ~= 0 then call('HINCRBY', project_key(tag, who), 'ah:' .. who.tier, tokens) end
  if money == 0 then return end
  call('HINCRBY', project_key(tag, who), 'held', money)
  call('HINCRBY', endpoint_key(tag, who), 'held', money)
  call('HINCRBY', key_key(tag, who), 'held', money)
end

local function charge(tag, who, month, tokens, money)
  local key = project_key(tag, who)
  if tokens ~= 0 then call('HINCRBY', key, 'a:' .. month .. ':' .. who.tier, tokens) end
  if money == 0 then return end
  call('HINCRBY', key, 'spent', money)
  call('HINCRBY', key, 'm:' .. month, money)
  call('HINCRBY', endpoint_key(tag, who), 'm:' .. month, money)
  call('HINCRBY', key_key(tag, who), 'm:' .. month, money)
end

local function release(tag, id, marker)
  call('ZREM', leases_key(tag, marker.who), id)
  hold(tag, marker.who, -marker.hold_tokens, -marker.hold_money)
end

-- ── Admission ────────────────────────────────────────────────────────────────────────────

local function read_quota(key, now, count, window_us)
  if count == 0 then return nil end
  local used, ends = key.q_count, key.q_ends
  if now >= ends then used, ends = 0, now + window_us end
  return { used = used, ends = math.min(ends, now + window_us), full = used >= count }
end

local function running(tag, who, now)
  return call('ZCOUNT', leases_key(tag, who), '(' .. int(now), '+inf')
end

-- word, requests left, µs until full, tokens left, µs until full, µs to wait, balance left
local function answer(word, ask, buckets, now, wait_us, free)
  local requests, requests_us = left(buckets.requests, now, ask.requests)
  local tokens, tokens_us = left(buckets.tokens, now, ask.tokens)
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
  ask.more = {
    tokens = ask.hold_tokens, money = ask.hold_money, allowance = ask.allowance, quota = ask.quota,
  }
  return ask
end

-- Ask every limit. Returns the word of the first that refuses and how long it will, or what to
-- write. Final ones come first: who can't be served this month need not be told to wait a second.
local function judge(tag, ask, now, project, endpoint, key, quota)
  if quota and quota.full then return 'quota', quota.ends - now end
  local ceiling = refused_by(project, endpoint, key, ask.more)
  if ceiling then return ceiling, month_left_us(now) end
  if running(tag, ask.who, now) >= ask.concurrent then return 'concurrency', 1e6 end
  local after, wait = taken(endpoint.buckets.requests, now, 1, ask.requests)
  if not after then return 'requests', wait end
  after, wait = taken(endpoint.buckets.tokens, now, ask.est_in + ask.est_out, ask.tokens)
  if not after then return 'tokens', wait end
  return nil, 0
end

local function let_in(tag, ask, now, month, endpoint, quota)
  local who, buckets = ask.who, endpoint.buckets
  buckets.requests = math.max(buckets.requests, now) + ask.requests.step_us
  buckets.tokens = math.max(buckets.tokens, now) + (ask.est_in + ask.est_out) * ask.tokens.step_us
  write_buckets(endpoint_key(tag, who), now, buckets)
  if endpoint.is_new then call('SADD', tag .. ':endpoints', who.endpoint) end
  if quota then
    call('HSET', key_key(tag, who), 'q_count', quota.used + 1, 'q_ends', quota.ends)
  end
  hold(tag, who, ask.hold_tokens, ask.hold_money)
  call('ZADD', leases_key(tag, who), now + ask.lease_us, ask.id)
  keep_live(tag, ask.id, {
    state = 'live', who = who, month = month, began = now, about = ask.about,
    est_in = ask.est_in, est_out = ask.est_out, est_money = ask.est_money,
    hold_tokens = ask.hold_tokens, hold_money = ask.hold_money,
    request_us = ask.requests.step_us, token_us = ask.tokens.step_us, quota = quota and 1 or 0,
  })
end

-- A shard opens a moment after it was restored. A moment far ahead is a clock that went back.
local function is_open(opens, now, forced)
  if not opens then return false end
  local ahead = tonumber(opens) - now
  return forced or ahead <= 0 or ahead > MINUTE_US
end

-- Let a request in or say which limit refuses it. Asked twice it answers the same.
local function admit(keys, args)
  local tag, ask, now = keys[1], read_ask(args), now_us(args[22])
  local opens, marker = look_up(tag, ask.id)
  if not is_open(opens, now, ask.forced) then return { UNRESTORED, 0, 0, 0, 0, 1e6, 0 } end
  -- One that is said to run began before now, perhaps in another month: its id tells.
  local month = month_of(ask.forced and began_us(ask.id) or now)
  local project, endpoint, key = read_accounts(tag, ask.who, month, now, ask.more)
  if marker then
    local word = marker.state == 'live' and 'admitted' or 'ended'
    if ask.forced and word == 'admitted' then
      call('ZADD', leases_key(tag, ask.who), now + ask.lease_us, ask.id)
    end
    return answer(word, ask, endpoint.buckets, now, 0, project.free)
  end
  local quota = read_quota(key, now, ask.quota, ask.quota_us)
  local word, wait_us = nil, 0
  if not ask.forced then
    word, wait_us = judge(tag, ask, now, project, endpoint, key, quota)
  end
  if not word then
    let_in(tag, ask, now, month, endpoint, quota)
  end
  local free = project.free - (word and 0 or ask.hold_money)
  return answer(word or 'admitted', ask, endpoint.buckets, now, wait_us, free)
end

-- Keep a request's lease alive and, if more is asked for, hold that too.
local function renew(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[7])
  local _, marker = look_up(tag, id)
  if not marker then return 'unknown' end
  if marker.state ~= 'live' then return 'ended' end
  call('ZADD', leases_key(tag, marker.who), now + tonumber(args[2]) * 1e6, id)
  local tokens, money = tonumber(args[3]), tonumber(args[4])
  if tokens == 0 and money == 0 then return 'renewed' end
  local more = { tokens = tokens, money = money, allowance = tonumber(args[5]), quota = 0 }
  -- The month it is charged to, though another may have begun.
  local project, endpoint, key = read_accounts(tag, marker.who, marker.month, now, more)
  local ceiling = refused_by(project, endpoint, key, more)
  if ceiling and args[6] ~= '1' then return ceiling end
  local held = more.allowance > 0 and tokens or 0
  hold(tag, marker.who, held, money)
  shift_tokens(tag, marker.who, now, marker.token_us, tokens)
  marker.est_out = marker.est_out + tokens
  marker.est_money = marker.est_money + money
  marker.hold_tokens = marker.hold_tokens + held
  marker.hold_money = marker.hold_money + money
  keep_live(tag, id, marker)
  return 'renewed'
end

-- ── The end of a request ─────────────────────────────────────────────────────────────────

local function emit(tag, kind, event, was)
  return call('XADD', tag .. ':usage', '*', 'event', event, 'kind', kind, 'was', was or '')
end

-- Settle what the reaper had settled by estimate: charge the difference, and say what it was.
local function amend(tag, marker, used, now, event)
  local tokens = used.tokens - marker.est_in - marker.est_out
  charge(tag, marker.who, marker.month, tokens, used.cost - marker.est_money)
  shift_tokens(tag, marker.who, now, marker.token_us, tokens)
  local was = int(marker.est_in) .. ' ' .. int(marker.est_out) .. ' ' .. int(marker.est_money)
  return 'amended', emit(tag, 'amend', event, was)
end

local function finish(tag, id, marker, used, now, event)
  release(tag, id, marker)
  charge(tag, marker.who, marker.month, used.tokens, used.cost)
  local tokens = used.tokens - marker.est_in - marker.est_out
  shift_tokens(tag, marker.who, now, marker.token_us, tokens)
  return 'settled', emit(tag, 'settle', event)
end

-- Settle a request that has no marker: it was admitted while this server was away, or what the
-- server knew is lost. Too old, and it may have been settled and forgotten: PostgreSQL decides.
local function recover(tag, id, who, used, now, event)
  local began = began_us(id)
  if now - began > LATE_US then return 'late', emit(tag, 'late', event) end
  charge(tag, who, month_of(began), used.tokens, used.cost)
  return 'recovered', emit(tag, 'settle', event)
end

-- Release what a request holds, charge what it used and report it, once however often it is said.
local function settle(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[9])
  local opens, marker = look_up(tag, id)
  if not opens then return { UNRESTORED, '' } end
  local used = { tokens = tonumber(args[6]), cost = tonumber(args[7]) }
  local word, place
  if not marker then
    local who = { project = args[2], endpoint = args[3], key = args[4], tier = args[5] }
    word, place = recover(tag, id, who, used, now, args[8])
  elseif marker.state == 'live' then
    word, place = finish(tag, id, marker, used, now, args[8])
  elseif marker.state == 'reaped' then
    word, place = amend(tag, marker, used, now, args[8])
  elseif marker.state == 'settled' then
    return { 'again', marker.place }
  else
    return { 'void', '' }
  end
  keep_ended(tag, id, 'settled', place)
  return { word, place }
end

-- Undo an admission whose request never ran, as if it had never been asked for.
local function void(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[2])
  local _, marker = look_up(tag, id)
  if marker and marker.state ~= 'live' then return marker.state end
  keep_ended(tag, id, 'void')
  if not marker then return 'void' end
  release(tag, id, marker)
  local key = endpoint_key(tag, marker.who)
  local buckets = read_buckets(key, now)
  buckets.requests = buckets.requests - marker.request_us
  buckets.tokens = buckets.tokens - (marker.est_in + marker.est_out) * marker.token_us
  write_buckets(key, now, buckets)
  local quota_key = key_key(tag, marker.who)
  if marker.quota == 1 and tonumber(call('HGET', quota_key, 'q_count') or 0) > 0 then
    call('HINCRBY', quota_key, 'q_count', -1)
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

local function reap_one(tag, leases, id, now)
  local _, marker = look_up(tag, id)
  if not marker or marker.state ~= 'live' then
    call('ZREM', leases, id)
    return
  end
  release(tag, id, marker)
  charge(tag, marker.who, marker.month, marker.est_in + marker.est_out, marker.est_money)
  emit(tag, 'settle', orphan_event(id, marker, now))
  marker.state, marker.about = 'reaped', ''
  call('SET', marker_key(tag, id), packed(marker), 'EX', KEEP_S)
end

-- Settle requests whose lease ran out: their gateway is gone. They are charged as estimated, up
-- to what was last renewed; the gateway's journal corrects that if it comes back.
local function reap(keys, args)
  local tag, limit, now = keys[1], tonumber(args[1]), now_us(args[2])
  if not call('GET', tag .. ':epoch') then return 0 end
  local reaped = 0
  for _, endpoint in ipairs(call('SMEMBERS', tag .. ':endpoints')) do
    local leases = leases_key(tag, { endpoint = endpoint })
    local due = call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, limit - reaped)
    for _, id in ipairs(due) do reap_one(tag, leases, id, now) end
    reaped = reaped + #due
    if reaped >= limit then break end
  end
  return reaped
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
-- What the control plane said meanwhile, by a higher number, is newer than what was read for this.
local function restore(keys, args)
  if call('GET', keys[1] .. ':epoch') then return 0 end
  local key, said = keys[1] .. ':' .. args[1], {}
  for at = 2, #args, 2 do said[args[at]] = args[at + 1] end
  local known = call('HMGET', key, 'seq', 'budget_v')
  local function is_behind(name, number)
    return tonumber(said[name] or 0) < tonumber(number or -1)
  end
  if is_behind('seq', known[1]) then said.seq, said.granted = nil, nil end
  if is_behind('budget_v', known[2]) then said.budget_v, said.budget = nil, nil end
  for name, value in pairs(said) do call('HSET', key, name, value) end
  return 1
end

-- Remember requests that PostgreSQL has already, so that no journal charges them again.
local function remember(keys, args)
  for _, id in ipairs(args) do
    if call('EXISTS', marker_key(keys[1], id)) == 0 then
      keep_ended(keys[1], id, 'settled', '0-1')
    end
  end
  return #args
end

local function estimated(args)
  local began = began_us(args[1])
  return {
    state = 'reaped', month = month_of(began), began = began, about = '',
    who = { project = args[2], endpoint = args[3], key = args[4], tier = args[5] },
    est_in = tonumber(args[6]), est_out = tonumber(args[7]), est_money = tonumber(args[8]),
    hold_tokens = 0, hold_money = 0, request_us = 0, token_us = 0, quota = 0,
  }
end

-- Remember a request that PostgreSQL has by estimate: what its gateway tells later amends it.
local function orphan(keys, args)
  if call('EXISTS', marker_key(keys[1], args[1])) == 1 then return 0 end
  call('SET', marker_key(keys[1], args[1]), packed(estimated(args)), 'EX', KEEP_S)
  return 1
end

-- Take an estimate in again that was lost before PostgreSQL had it: charge it, report it, and
-- remember that it is one.
local function estimate(keys, args)
  local tag, id, now = keys[1], args[1], now_us(args[10])
  local opens, known = look_up(tag, id)
  if not opens then return { UNRESTORED, '' } end
  if known then return { 'again', '' } end
  local marker = estimated(args)
  local used = { tokens = marker.est_in + marker.est_out, cost = marker.est_money }
  local word, place = recover(tag, id, marker.who, used, now, args[9])
  call('SET', marker_key(tag, id), packed(marker), 'EX', KEEP_S)
  return { word, place }
end

-- Open a restored shard, if it still knows that it was being restored: one that lost everything
-- once more has to be restored once more. Settling begins at once, so that the journals are replayed first;
-- admissions are served ``wait_s`` later. New events get places above any that were there before;
-- up to where PostgreSQL has the stream is for the consumer to say, once it has read in it.
local function open(keys, args)
  local tag, now = keys[1], now_us(args[3])
  if call('GET', tag .. ':epoch') then return 0 end
  if args[4] and call('GET', tag .. ':restoring') ~= args[4] then return 0 end
  call('DEL', tag .. ':restoring')
  if args[2] ~= '' then
    if call('EXISTS', tag .. ':usage') == 0 then
      call('XDEL', tag .. ':usage', call('XADD', tag .. ':usage', args[2], 'x', ''))
    end
  end
  call('SET', tag .. ':epoch', now + tonumber(args[1]) * 1e6)
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
server.register_function('xt1_orphan', orphan)
server.register_function('xt1_estimate', estimate)
server.register_function('xt1_open', open)
