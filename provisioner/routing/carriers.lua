-- Finds the lane of a request and names the cluster that serves it. The same for every lane: nothing in here
-- changes when lanes come and go. Before it stands one line with its settings:
--   HEADER  the header that carries the lane         KEY      the baggage member that carries it
--   DOMAIN  what follows the lane in a preview host   CLUSTER  what precedes the shard in a cluster's name
--   SHARDS  over how many clusters lanes are spread   TARGET   the header that names the cluster to the route
-- The header wins over the baggage, the baggage over the host; a name that no lane can have is ignored. When
-- there is a lane, both carriers say so to the application, and everything else in the baggage stays.
-- Where the chain is entered by more than these, or not by all of them, entry.lua follows.

local function lane_name(text)
  if not text or #text > 63 or text == "baseline" or text == "none" then return nil end
  return text:match("^[a-z0-9][a-z0-9%-]*$") and text:sub(-1) ~= "-" and text or nil
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- Without the blanks at its ends. A pattern for this (`(.-)%s*$`) takes the square of the length of a run of
-- blanks inside, and whoever can send a request would keep a worker busy for minutes.
local function trimmed(text)
  local first, last = text:find("%S"), #text
  if not first then return "" end
  while text:find("^%s", last) do last = last - 1 end
  return text:sub(first, last)
end

-- The last valid lane in the baggage (as OpenTelemetry: the last member of a key counts), how many members
-- have our key, and all the other members as they stood.
local function read(baggage)
  local lane, ours, others = nil, 0, {}
  for member in (baggage .. ","):gmatch("([^,]*),") do
    local key, value = member:match("^%s*([^=;%s]+)%s*=%s*([^;]*)")
    if key == KEY then
      ours = ours + 1
      lane = lane_name(decode(trimmed(value))) or lane
    else
      others[#others + 1] = member
    end
  end
  return lane, ours, others
end

local function from_host(host)
  if DOMAIN == "" or not host then return nil end
  host = host:lower():gsub(":%d*$", ""):gsub("%.$", "")
  local lane = host:sub(1, -#DOMAIN - 2)
  return lane ~= "" and host == lane .. "." .. DOMAIN and lane_name(lane) or nil
end

local function shard(lane)
  local hash = 0
  for place = 1, #lane do hash = (hash * 31 + lane:byte(place)) % 2147483647 end
  return hash % SHARDS
end

-- The header and the baggage as they came, and what `read` finds.
local function carried(headers)
  local tagged, baggage = headers:get(HEADER), headers:get("baggage")
  if baggage and baggage:find(KEY, 1, true) then return tagged, baggage, read(baggage) end
  return tagged, baggage, nil, 0, nil
end

-- Puts the request into the lane; what follows the lane is what `carried` gave.
local function enter(handle, headers, lane, tagged, baggage, member, ours, others)
  if tagged ~= lane then headers:replace(HEADER, lane) end
  if ours ~= 1 or member ~= lane then
    local rest = others and table.concat(others, ",") or baggage or ""
    headers:replace("baggage", (rest == "" and "" or rest .. ",") .. KEY .. "=" .. lane)
  end
  headers:replace(TARGET, CLUSTER .. shard(lane))
  handle:streamInfo():dynamicMetadata():set("envoy.lb", "lane", lane)
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if headers:get(TARGET) then headers:remove(TARGET) end
  local tagged, baggage, member, ours, others = carried(headers)
  local lane = lane_name(tagged) or member or from_host(headers:get(":authority"))
  if lane then enter(handle, headers, lane, tagged, baggage, member, ours, others) end
end
