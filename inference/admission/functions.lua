#!lua name=xt1
-- Admission, metering and money of one shard, each step atomic. KEYS[1] is always the shard's
-- hash tag ("{s17}"): it routes the call in a cluster, and every key touched here begins with it:
--
--   :epoch          the moment from which admissions are served; missing: nothing was restored
--   :restoring      who restores it: gone if everything was lost again meanwhile
--   :r:{request}    marker of a request: live, reaped, settled or void
--   :l:{endpoint}/{tier}  leases of the requests of an endpoint that run on a tier, by the moment
--                   they end: its own tier, or the one it falls back to, each with its own limit
--   :endpoints      which of these there may be, for the reaper
--   :e:{endpoint}   buckets;   at requests tokens            ┐ and in each of these three:
--   :k:{key}        quota;     q_count q_ends                │ budget budget_v (monthly ceiling),
--   :p:{project}    balance;   granted seq spent             │ held, m:{month} (spent in it)
--                   allowance; a:{month}:{tier} ah:{tier}    ┘
--   :usage          stream of usage events;  :usage:done  what of it PostgreSQL has
--
-- Two rules hold everywhere: all questions are asked before the first write, so that a refused
-- request consumes nothing; and whatever a request holds is written in its marker, so that one
-- call can give back exactly that, once. Money is integer micro-units, time is microseconds.
--
-- A gateway asks for many requests of one key and endpoint in one call (``…_all``). Each is
-- judged by itself, in their order, as if it had come alone; only the accounts are read and
-- written once for all of them.

local KEEP_S = 49 * 3600 -- how long an ended request is remembered
local LATE_US = 48 * 3600 * 1e6 -- beyond this a missing marker proves nothing any more
local MINUTE_US = 60 * 1e6
local DAY_US = 86400 * 1e6
local UNRESTORED = 'unrestored'
local MANY = 16 -- requests like it there is money for, where admission is called easy

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
local function leases_name(who) return who.endpoint .. '/' .. who.tier end
local function leases_key(tag, who) return tag .. ':l:' .. leases_name(who) end

-- ── Markers ──────────────────────────────────────────────────────────────────────────────
-- A list rather than a map, because one is packed and unpacked twice for every request.

local function unpacked(packed)
  if not packed then return nil end
  local m = cmsgpack.unpack(packed)
  return {
    state = m[1], place = m[2], month = m[3], began = m[4], about = m[5], est_in = m[6],
    est_out = m[7], est_money = m[8], hold_tokens = m[9], hold_money = m[10], request_us = m[11],
    token_us = m[12], quota = m[13],
    who = { project = m[14], endpoint = m[15], key = m[16], tier = m[17] },
  }
end

local function packed(m)
  local who = m.who
  return cmsgpack.pack({
    m.state, m.place or '', m.month, m.began, m.about, m.est_in, m.est_out, m.est_money,
    m.hold_tokens, m.hold_money, m.request_us, m.token_us, m.quota,
    who.project, who.endpoint, who.key, who.tier,
  })
end

local function marker_key(tag, id) return tag .. ':r:' .. id end

local function keep_live(tag, id, marker) call('SET', marker_key(tag, id), packed(marker)) end

local function keep_ended(tag, id, state, place)
  call('SET', marker_key(tag, id), cmsgpack.pack({ state, place or '' }), 'EX', KEEP_S)
end

-- What a shard knows before anything is decided: whether it is open, and the requests' markers.
local function look_up_all(tag, ids)
  local names, markers = { tag .. ':epoch' }, {}
  for at, id in ipairs(ids) do names[at + 1] = marker_key(tag, id) end
  local raw = call('MGET', unpack(names))
  for at, id in ipairs(ids) do markers[id] = unpacked(raw[at + 1]) end
  return raw[1], markers
end

local function look_up(tag, id)
  local opens, markers = look_up_all(tag, { id })
  return opens, markers[id]
end

-- ── Accounts ─────────────────────────────────────────────────────────────────────────────
-- Three pay for a request: project, endpoint and key. A call reads each at most once, changes it
-- in its book, and writes at the end what has changed. A field that is not there counts as 0,
-- but a budget that is not there is none.

local function open_account(book, key, names)
  local account = book[key]
  if not account then
    account = { key = key, values = {}, changed = {} }
    book[key] = account
  end
  local values, missing = account.values, {}
  for _, name in ipairs(names) do
    if values[name] == nil then missing[#missing + 1] = name end
  end
  if #missing > 0 then
    local raw = call('HMGET', key, unpack(missing))
    for at, name in ipairs(missing) do values[name] = tonumber(raw[at]) or false end
  end
  return account
end

local function get(account, name) return account.values[name] or 0 end

local function put(account, name, value)
  account.values[name], account.changed[name] = value, true
end

local function add(account, name, amount)
  if amount ~= 0 then put(account, name, get(account, name) + amount) end
end

local function write(book)
  for key, account in pairs(book) do
    local list = { key }
    for name in pairs(account.changed) do
      list[#list + 1] = name
      list[#list + 1] = account.values[name]
    end
    if #list > 1 then call('HSET', unpack(list)) end
    account.changed = {}
  end
end

local function open_project(book, tag, who, month)
  return open_account(book, project_key(tag, who), { 'budget', 'held', 'm:' .. month, 'granted',
    'spent', 'a:' .. month .. ':' .. who.tier, 'ah:' .. who.tier })
end

local function open_key(book, tag, who, month)
  return open_account(book, key_key(tag, who), { 'budget', 'held', 'm:' .. month, 'q_count',
    'q_ends' })
end

-- An endpoint's account, with its two buckets. A clock that went back takes them along, at once
-- and even if nothing is taken: otherwise they would stay empty for as long as it went back.
local function open_endpoint(book, tag, who, month, now)
  local account = open_account(book, endpoint_key(tag, who), { 'budget', 'held', 'm:' .. month,
    'at', 'requests', 'tokens' })
  local back = account.values.at and account.values.at - now or 0
  if back > 0 then
    put(account, 'at', now)
    put(account, 'requests', get(account, 'requests') - back)
    put(account, 'tokens', get(account, 'tokens') - back)
  end
  return account
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

local function fill(account, name, now, after_us)
  put(account, 'at', now)
  put(account, name, after_us)
end

local function shift_tokens(account, now, step_us, amount)
  if step_us == 0 or amount == 0 then return end
  fill(account, 'tokens', now, math.max(get(account, 'tokens'), now) + amount * step_us)
end

-- ── Money and allowances ─────────────────────────────────────────────────────────────────
-- Budgets and the allowance count a UTC month, the balance counts for ever. What costs nothing
-- need ask, and tell, nobody but its endpoint, and its key if that has a quota.

local function open_accounts(book, tag, who, month, now, more)
  local is_paid = more.money > 0
  local project = (is_paid or more.allowance > 0) and open_project(book, tag, who, month) or nil
  local key = (is_paid or more.quota > 0) and open_key(book, tag, who, month) or nil
  return { project = project, endpoint = open_endpoint(book, tag, who, month, now), key = key }
end

local function free_of(project)
  if not project then return 0 end
  return get(project, 'granted') - get(project, 'spent') - get(project, 'held')
end

local function exceeds(account, month, money)
  local budget = account.values.budget
  return budget and get(account, 'm:' .. month) + get(account, 'held') + money > budget
end

local function allowance_used(project, month, who)
  return get(project, 'a:' .. month .. ':' .. who.tier) + get(project, 'ah:' .. who.tier)
end

-- Which ceiling refuses to hold this much more, if any.
local function refused_by(accounts, month, who, more)
  local project = accounts.project
  if more.allowance > 0 and allowance_used(project, month, who) + more.tokens > more.allowance then
    return 'allowance'
  end
  if more.money == 0 then return nil end
  if exceeds(project, month, more.money) or exceeds(accounts.endpoint, month, more.money)
    or exceeds(accounts.key, month, more.money) then
    return 'budget'
  end
  return more.money > free_of(project) and 'balance' or nil
end

local function hold(book, tag, who, month, now, tokens, money)
  if tokens ~= 0 then add(open_project(book, tag, who, month), 'ah:' .. who.tier, tokens) end
  if money == 0 then return end
  add(open_project(book, tag, who, month), 'held', money)
  add(open_endpoint(book, tag, who, month, now), 'held', money)
  add(open_key(book, tag, who, month), 'held', money)
end

local function charge(book, tag, who, month, now, tokens, money)
  local name = 'm:' .. month
  if tokens ~= 0 then
    add(open_project(book, tag, who, month), 'a:' .. month .. ':' .. who.tier, tokens)
  end
  if money == 0 then return end
  add(open_project(book, tag, who, month), 'spent', money)
  add(open_project(book, tag, who, month), name, money)
  add(open_endpoint(book, tag, who, month, now), name, money)
  add(open_key(book, tag, who, month), name, money)
end

local function release(book, tag, marker, now)
  hold(book, tag, marker.who, marker.month, now, -marker.hold_tokens, -marker.hold_money)
end

-- ── Admission ────────────────────────────────────────────────────────────────────────────

-- word, requests left, µs until full, tokens left, µs until full, µs to wait, balance left,
-- whether it was easy
local function answer(word, limits, endpoint, now, wait_us, free, is_easy)
  local requests, requests_us = left(get(endpoint, 'requests'), now, limits.requests)
  local tokens, tokens_us = left(get(endpoint, 'tokens'), now, limits.tokens)
  return { word, requests, requests_us, tokens, tokens_us, math.ceil(wait_us), free,
    is_easy and 1 or 0 }
end

-- How many arguments each has. admission/commands.py says the same.
local LIMITS, ASK, WHO, END = 14, 7, 4, 4

local function read_limits(args)
  return {
    who = { project = args[1], endpoint = args[2], key = args[3], tier = args[4] },
    requests = { step_us = tonumber(args[5]), cap_us = tonumber(args[6]) },
    tokens = { step_us = tonumber(args[7]), cap_us = tonumber(args[8]) },
    concurrent = tonumber(args[9]),
    quota = tonumber(args[10]), quota_us = tonumber(args[11]) * 1e6,
    allowance = tonumber(args[12]), lease_us = tonumber(args[13]) * 1e6, about = args[14],
  }
end

local function read_ask(limits, args, at)
  local ask = {
    id = args[at], est_in = tonumber(args[at + 1]), est_out = tonumber(args[at + 2]),
    est_money = tonumber(args[at + 3]), hold_tokens = tonumber(args[at + 4]),
    hold_money = tonumber(args[at + 5]), forced = args[at + 6] == '1',
  }
  ask.more = { tokens = ask.hold_tokens, money = ask.hold_money, allowance = limits.allowance,
    quota = limits.quota }
  return ask
end

-- A key's quota in the window that runs now, or in a new one.
local function read_quota(key, now, limits)
  if limits.quota == 0 then return nil end
  local used, ends = get(key, 'q_count'), get(key, 'q_ends')
  if now >= ends then used, ends = 0, now + limits.quota_us end
  return { used = used, ends = math.min(ends, now + limits.quota_us) }
end

-- Ask every limit. Returns the word of the first that refuses and how long it will, or nothing.
-- Final ones come first: who can't be served this month need not be told to wait a second.
local function judge(limits, ask, state, accounts)
  local now, quota = state.now, read_quota(accounts.key, state.now, limits)
  if quota and quota.used >= limits.quota then return 'quota', quota.ends - now end
  local ceiling = refused_by(accounts, state.month, limits.who, ask.more)
  if ceiling then return ceiling, month_left_us(now) end
  if state.running() >= limits.concurrent then return 'concurrency', 1e6 end
  local after, wait = taken(get(accounts.endpoint, 'requests'), now, 1, limits.requests)
  if not after then return 'requests', wait end
  after, wait = taken(get(accounts.endpoint, 'tokens'), now, ask.est_in + ask.est_out, limits.tokens)
  if not after then return 'tokens', wait end
  return nil, 0
end

-- Whether every limit was far away when this was let in: half of each is left, and money for
-- many more like it. A gateway that hears so may ask a worker before it hears of the next one.
local function is_easy(limits, ask, state, accounts)
  local now, who, endpoint, more = state.now, limits.who, accounts.endpoint, ask.more
  if ask.forced or state.running() * 2 > limits.concurrent then return false end
  if limits.quota > 0 and get(accounts.key, 'q_count') * 2 > limits.quota then return false end
  if (get(endpoint, 'requests') - now) * 2 > limits.requests.cap_us then return false end
  if (get(endpoint, 'tokens') - now) * 2 > limits.tokens.cap_us then return false end
  return not refused_by(accounts, state.month, who, { tokens = more.tokens * MANY,
    money = more.money * MANY, allowance = more.allowance / 2 })
end

local function let_in(tag, limits, ask, state, accounts, month)
  local who, endpoint, now = limits.who, accounts.endpoint, state.now
  if state.running() == 0 then call('SADD', tag .. ':endpoints', leases_name(who)) end
  local requests = math.max(get(endpoint, 'requests'), now) + limits.requests.step_us
  fill(endpoint, 'requests', now, requests)
  local tokens = (ask.est_in + ask.est_out) * limits.tokens.step_us
  fill(endpoint, 'tokens', now, math.max(get(endpoint, 'tokens'), now) + tokens)
  local quota = read_quota(accounts.key, now, limits)
  if quota then
    put(accounts.key, 'q_count', quota.used + 1)
    put(accounts.key, 'q_ends', quota.ends)
  end
  hold(state.book, tag, who, month, now, ask.hold_tokens, ask.hold_money)
  state.lease(ask.id)
  return {
    state = 'live', who = who, month = month, began = now, about = limits.about,
    est_in = ask.est_in, est_out = ask.est_out, est_money = ask.est_money,
    hold_tokens = ask.hold_tokens, hold_money = ask.hold_money,
    request_us = limits.requests.step_us, token_us = limits.tokens.step_us, quota = quota and 1 or 0,
  }
end

-- A shard opens a moment after it was restored. A moment far ahead is a clock that went back.
local function is_open(opens, now, forced)
  if not opens then return false end
  local ahead = tonumber(opens) - now
  return forced or ahead <= 0 or ahead > MINUTE_US
end

-- What the requests of one call share: the moment, the book, and the leases of their endpoint.
local function begin(tag, limits, now)
  local leases, running, added = leases_key(tag, limits.who), nil, {}
  local state = { now = now, month = month_of(now), book = {}, live = {} }
  function state.running()
    running = running or call('ZCOUNT', leases, '(' .. int(now), '+inf')
    return running + #added / 2
  end
  function state.lease(id)
    added[#added + 1] = now + limits.lease_us
    added[#added + 1] = id
  end
  function state.write()
    if #added > 0 then call('ZADD', leases, unpack(added)) end
    if #state.live > 0 then call('MSET', unpack(state.live)) end
    write(state.book)
  end
  return state
end

local function admit_one(tag, limits, ask, state, opens, markers)
  if not is_open(opens, state.now, ask.forced) then return { UNRESTORED, 0, 0, 0, 0, 1e6, 0, 0 } end
  -- One that is said to run began before now, perhaps in another month: its id tells.
  local month = ask.forced and month_of(began_us(ask.id)) or state.month
  local accounts = open_accounts(state.book, tag, limits.who, month, state.now, ask.more)
  local endpoint, marker = accounts.endpoint, markers[ask.id]
  if marker then
    local word = marker.state == 'live' and 'admitted' or 'ended'
    if ask.forced and word == 'admitted' then state.lease(ask.id) end
    return answer(word, limits, endpoint, state.now, 0, free_of(accounts.project))
  end
  local word, wait_us = nil, 0
  if not ask.forced then word, wait_us = judge(limits, ask, state, accounts) end
  if word then
    return answer(word, limits, endpoint, state.now, wait_us, free_of(accounts.project))
  end
  marker = let_in(tag, limits, ask, state, accounts, month)
  markers[ask.id] = marker
  state.live[#state.live + 1] = marker_key(tag, ask.id)
  state.live[#state.live + 1] = packed(marker)
  local easy = is_easy(limits, ask, state, accounts)
  return answer('admitted', limits, endpoint, state.now, 0, free_of(accounts.project), easy)
end

-- Let requests in or say which limit refuses each. Asked twice it answers the same.
local function admit_all(keys, args)
  local tag, limits, asks, ids, answers = keys[1], read_limits(args), {}, {}, {}
  local many = math.floor((#args - LIMITS) / ASK)
  for number = 1, many do
    asks[number] = read_ask(limits, args, LIMITS + (number - 1) * ASK + 1)
    ids[number] = asks[number].id
  end
  local state = begin(tag, limits, now_us(args[LIMITS + many * ASK + 1]))
  local opens, markers = look_up_all(tag, ids)
  for number, ask in ipairs(asks) do
    answers[number] = admit_one(tag, limits, ask, state, opens, markers)
  end
  state.write()
  return answers
end

local function admit(keys, args) return admit_all(keys, args)[1] end

-- Keep a request's lease alive and, if more is asked for, hold that too.
local function renew(keys, args)
  local tag, id, now, book = keys[1], args[1], now_us(args[7]), {}
  local _, marker = look_up(tag, id)
  if not marker then return 'unknown' end
  if marker.state ~= 'live' then return 'ended' end
  -- The month it is charged to, though another may have begun.
  local who, month = marker.who, marker.month
  call('ZADD', leases_key(tag, who), now + tonumber(args[2]) * 1e6, id)
  local tokens, money = tonumber(args[3]), tonumber(args[4])
  if tokens == 0 and money == 0 then return 'renewed' end
  local more = { tokens = tokens, money = money, allowance = tonumber(args[5]), quota = 0 }
  local accounts = open_accounts(book, tag, who, month, now, more)
  local ceiling = refused_by(accounts, month, who, more)
  if ceiling and args[6] ~= '1' then
    write(book)
    return ceiling
  end
  local held = more.allowance > 0 and tokens or 0
  hold(book, tag, who, month, now, held, money)
  shift_tokens(accounts.endpoint, now, marker.token_us, tokens)
  write(book)
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
local function amend(book, tag, marker, used, now, event)
  local who, tokens = marker.who, used.tokens - marker.est_in - marker.est_out
  charge(book, tag, who, marker.month, now, tokens, used.cost - marker.est_money)
  shift_tokens(open_endpoint(book, tag, who, marker.month, now), now, marker.token_us, tokens)
  local was = int(marker.est_in) .. ' ' .. int(marker.est_out) .. ' ' .. int(marker.est_money)
  return 'amended', emit(tag, 'amend', event, was)
end

local function finish(book, tag, marker, used, now, event)
  local who, tokens = marker.who, used.tokens - marker.est_in - marker.est_out
  release(book, tag, marker, now)
  charge(book, tag, who, marker.month, now, used.tokens, used.cost)
  if marker.token_us ~= 0 and tokens ~= 0 then
    shift_tokens(open_endpoint(book, tag, who, marker.month, now), now, marker.token_us, tokens)
  end
  return 'settled', emit(tag, 'settle', event)
end

-- Settle a request that has no marker: it was admitted while this server was away, or what the
-- server knew is lost. Too old, and it may have been settled and forgotten: PostgreSQL decides.
local function recover(book, tag, id, who, used, now, event)
  local began = began_us(id)
  if now - began > LATE_US then return 'late', emit(tag, 'late', event) end
  charge(book, tag, who, month_of(began), now, used.tokens, used.cost)
  return 'recovered', emit(tag, 'settle', event)
end

local function settle_one(book, tag, who, id, used, now, event, marker, gone)
  local word, place
  if not marker then
    word, place = recover(book, tag, id, who, used, now, event)
  elseif marker.state == 'live' then
    word, place = finish(book, tag, marker, used, now, event)
    local leases = leases_key(tag, marker.who)
    gone[leases] = gone[leases] or {}
    table.insert(gone[leases], id)
  elseif marker.state == 'reaped' then
    word, place = amend(book, tag, marker, used, now, event)
  elseif marker.state == 'settled' then
    return { 'again', marker.place }
  else
    return { 'void', '' }
  end
  keep_ended(tag, id, 'settled', place)
  return { word, place }
end

-- Release what requests hold, charge what they used and report it, once however often it is said.
local function settle_each(tag, who, ends, now)
  local ids, answers, book, gone = {}, {}, {}, {}
  for number, ended in ipairs(ends) do ids[number] = ended.id end
  local opens, markers = look_up_all(tag, ids)
  for number, ended in ipairs(ends) do
    local id = ended.id
    if not opens then
      answers[number] = { UNRESTORED, '' }
    else
      local said = settle_one(book, tag, who, id, ended, now, ended.event, markers[id], gone)
      answers[number] = said
      if said[1] ~= 'void' then markers[id] = { state = 'settled', place = said[2] } end
    end
  end
  for leases, some in pairs(gone) do call('ZREM', leases, unpack(some)) end
  write(book)
  return answers
end

local function read_end(id, tokens, cost, event)
  return { id = id, tokens = tonumber(tokens), cost = tonumber(cost), event = event }
end

local function settle(keys, args)
  local who = { project = args[2], endpoint = args[3], key = args[4], tier = args[5] }
  local ended = read_end(args[1], args[6], args[7], args[8])
  return settle_each(keys[1], who, { ended }, now_us(args[9]))[1]
end

-- The same of many: who they are of, and for each its id, tokens, cost and event.
local function settle_all(keys, args)
  local who = { project = args[1], endpoint = args[2], key = args[3], tier = args[4] }
  local ends, many = {}, math.floor((#args - WHO) / END)
  for number = 1, many do
    local at = WHO + (number - 1) * END
    ends[number] = read_end(args[at + 1], args[at + 2], args[at + 3], args[at + 4])
  end
  return settle_each(keys[1], who, ends, now_us(args[WHO + many * END + 1]))
end

-- Undo an admission whose request never ran, as if it had never been asked for.
local function void(keys, args)
  local tag, id, now, book = keys[1], args[1], now_us(args[2]), {}
  local _, marker = look_up(tag, id)
  if marker and marker.state ~= 'live' then return marker.state end
  keep_ended(tag, id, 'void')
  if not marker then return 'void' end
  local who = marker.who
  call('ZREM', leases_key(tag, who), id)
  release(book, tag, marker, now)
  local endpoint = open_endpoint(book, tag, who, marker.month, now)
  fill(endpoint, 'requests', now, get(endpoint, 'requests') - marker.request_us)
  local tokens = (marker.est_in + marker.est_out) * marker.token_us
  fill(endpoint, 'tokens', now, get(endpoint, 'tokens') - tokens)
  local key = open_key(book, tag, who, marker.month)
  if marker.quota == 1 and get(key, 'q_count') > 0 then add(key, 'q_count', -1) end
  write(book)
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
  local book, tokens = {}, marker.est_in + marker.est_out
  call('ZREM', leases, id)
  release(book, tag, marker, now)
  charge(book, tag, marker.who, marker.month, now, tokens, marker.est_money)
  write(book)
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
  for _, name in ipairs(call('SMEMBERS', tag .. ':endpoints')) do
    local leases = tag .. ':l:' .. name
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
  local book = {}
  local word, place = recover(book, tag, id, marker.who, used, now, args[9])
  write(book)
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
server.register_function('xt1_admit_all', admit_all)
server.register_function('xt1_renew', renew)
server.register_function('xt1_settle', settle)
server.register_function('xt1_settle_all', settle_all)
server.register_function('xt1_void', void)
server.register_function('xt1_reap', reap)
server.register_function('xt1_grant', grant)
server.register_function('xt1_budget', budget)
server.register_function('xt1_restore', restore)
server.register_function('xt1_remember', remember)
server.register_function('xt1_orphan', orphan)
server.register_function('xt1_estimate', estimate)
server.register_function('xt1_open', open)
