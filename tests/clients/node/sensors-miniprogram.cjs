// Drives sa-sdk-miniprogram in a minimal WeChat runtime; each successful request is reported with its status.
const { task, report } = require("./task.cjs")

const storage = new Map()
const requests = []
const errors = []
let open = 0

global.App = global.Page = global.Component = () => {}
global.getApp = () => ({})
global.getCurrentPages = () => []
const answer = (value) => (options) => options?.success?.(value) ?? options?.complete?.(value)
global.wx = new Proxy(
  {
    getStorageSync: (key) => storage.get(key) ?? "",
    setStorageSync: (key, value) => storage.set(key, value),
    getStorage: ({ key, complete }) => complete?.({ data: storage.get(key) }),
    setStorage: ({ key, data, success }) => (storage.set(key, data), success?.()),
    getAccountInfoSync: () => ({ miniProgram: { appId: "wx123", envVersion: "release", version: "1.0.0" } }),
    getNetworkType: ({ success, complete }) => (success?.({ networkType: "wifi" }), complete?.({ networkType: "wifi" })),
    getSystemInfo: ({ success, complete }) => {
      const system = { brand: "HUAWEI", model: "P60", system: "Android 12", platform: "android", screenWidth: 390, SDKVersion: "3.0.0" }
      success?.(system)
      complete?.(system)
    },
    request: ({ url, method, data, header, success, fail, complete }) => {
      open += 1
      // as in WeChat: any response is a success, and only a lost one a failure
      fetch(url, { method, body: data, headers: header })
        .then(async (response) => {
          requests.push(response.status)
          success?.({ statusCode: response.status, data: await response.text() })
        })
        .catch((error) => (errors.push(error.message), fail?.({ errMsg: error.message })))
        .finally(() => ((open -= 1), complete?.()))
      return { abort: () => {} }
    },
  },
  { get: (target, name) => target[name] ?? answer({}) },
)

const CALLS = {
  track: (sensors, call) => sensors.track(call.event, call.properties),
  login: (sensors, call) => sensors.login(call.userId),
  profile: (sensors, call) => sensors.setProfile(call.traits),
  openid: (sensors, call) => sensors.bindOpenid(call.openid),
}

async function main() {
  const sensors = require("sa-sdk-miniprogram")
  sensors.setPara({
    server_url: `${task.host}/sa?project=${task.writeKey}`,
    autoTrack: { appLaunch: false, appShow: false, appHide: false, pageShow: false, pageShare: false },
    batch_send: { send_timeout: 200, max_length: 100 },
  })
  sensors.init()
  for (const call of task.calls) CALLS[call.call](sensors, call)
  const isDone = () => open === 0 && requests.length > 0 && sensors.store.mem.getLength() === 0
  for (let waited = 0; waited < (task.timeout ?? 240_000) && !isDone(); waited += 50) await new Promise((resolve) => setTimeout(resolve, 50))
  report(`sa-sdk-miniprogram ${sensors.lib_version ?? ""}`, requests.map(String), errors)
  process.exit(0)
}

main()
