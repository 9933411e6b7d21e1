// Runs before `npm start` and `npm test` on whatever Node the machine has (>= 18), before anything is installed:
// built-in modules only, and no syntax newer than Node 18.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const stamp = join(root, 'node_modules/.muster-installed')
// The workspace brings its own Node where the registry has one as a package.
const bringsNode = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch)

try {
  requireNode()
  if (!isInstalled()) {
    const release = await lock()
    if (!isInstalled()) await install()
    release()
  }
  if (process.argv.includes('--test')) {
    const { requireSystemPackages } = await import('./system-packages.mjs')
    requireSystemPackages()
    const { buildPkcs11 } = await import('./build-pkcs11.mjs')
    buildPkcs11()
  }
} catch (error) {
  say(error.message)
  process.exit(1)
}

function requireNode() {
  const major = Number.parseInt(process.versions.node, 10)
  if (major < 18)
    throw new Error(`Node ${process.versions.node} is too old: 18 or newer is needed (https://nodejs.org)`)
  if (!bringsNode && major < 24)
    throw new Error(
      `on ${process.platform} ${process.arch} Muster runs on your own Node, which is ${process.versions.node}: install Node 24 or newer (https://nodejs.org)`,
    )
}

function isInstalled() {
  if (bringsNode && !existsSync(join(root, 'node_modules/.bin/node'))) return false
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === manifestHash()
}

function manifestHash() {
  const members = readdirSync(join(root, 'packages')).sort()
  const files = [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    'package.json',
    'tests/package.json',
    'examples/linux-board/package.json',
  ]
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const file of [...files, ...members.map((member) => `packages/${member}/package.json`)]) {
    const path = join(root, file)
    if (existsSync(path)) hash.update(`\0${file}\0`).update(readFileSync(path))
  }
  return hash.digest('hex')
}

async function install() {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  mkdirSync(join(root, 'node_modules'), { recursive: true })
  say(`installing what Muster needs with ${packageManager} (about 500 MB, once)`)
  const hash = manifestHash()
  const startedAt = Date.now()
  const { code, output } = await runInstaller(packageManager, startedAt)
  if (code !== 0) throw new Error(explainFailure(code, output))
  writeFileSync(stamp, hash)
  say(`installed in ${seconds(startedAt)} s`)
}

async function runInstaller(packageManager, startedAt) {
  const args = ['--yes', packageManager, 'install', '--frozen-lockfile', '--prod=false', '--reporter=append-only']
  const windows = process.platform === 'win32'
  const child = spawn('npx', args, {
    cwd: root,
    env: installerEnv(),
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: windows,
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => {
      child.kill(signal)
      process.exit(1)
    })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-65_536)
    })
  const timer = setInterval(() => showProgress(startedAt, output), process.stderr.isTTY ? 500 : 5_000)
  try {
    return await new Promise((resolve, reject) => {
      child.on('close', (code) => resolve({ code, output }))
      child.on('error', (cause) =>
        reject(
          new Error(cause.code === 'ENOENT' ? 'npx was not found: install npm (it comes with Node)' : cause.message),
        ),
      )
    })
  } finally {
    clearInterval(timer)
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  }
}

function showProgress(startedAt, output) {
  const counts = output.match(/Progress: [^\n]*/g)?.at(-1) ?? 'Progress: fetching the package manager'
  const line = `[setup] ${seconds(startedAt)} s, ${counts.slice('Progress: '.length).trim()}`
  process.stderr.write(
    process.stderr.isTTY ? `\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}` : `${line}\n`,
  )
}

function explainFailure(code, output) {
  const tail = output.trim().split('\n').slice(-15).join('\n')
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|ETIMEDOUT|dns error|error sending request/i.test(output))
    return `${tail}\n[setup] cannot reach the package registry. The first start needs a network (later ones do not): check the connection, or the proxy and registry in ~/.npmrc, and start again.`
  if (/ENOSPC|no space left/i.test(output)) return `${tail}\n[setup] the disk is full: about 1 GB is needed`
  if (/EACCES|EROFS|permission denied/i.test(output))
    return `${tail}\n[setup] cannot write below ${root}: run as the user who owns it`
  return `${tail}\n[setup] installing failed (exit ${code})`
}

// The outer npm exports all of its own settings (prefix, omit, dry-run ...), which would steer the installer:
// only those about where packages come from are passed on.
function installerEnv() {
  const keep = /^npm_config_(registry|proxy|https_proxy|noproxy|cafile|ca|strict_ssl|cache|userconfig|@.*|\/\/.*)$/i
  const env = {}
  for (const [key, value] of Object.entries(process.env))
    if (!/^(npm_|NODE_ENV$|NODE_OPTIONS$|INIT_CWD$)/i.test(key) || keep.test(key)) env[key] = value
  // `node_modules/.bin/node` is what is about to be replaced; it must not run the installer.
  const path = Object.keys(env).find((key) => key.toUpperCase() === 'PATH') ?? 'PATH'
  env[path] = (env[path] ?? '')
    .split(delimiter)
    .filter((entry) => !/node_modules[\\/]\.bin$/.test(entry))
    .join(delimiter)
  env.npm_config_fetch_retries ??= '1'
  env.npm_config_fetch_retry_mintimeout ??= '1000'
  env.npm_config_update_notifier = 'false'
  if (!isWritable(homedir())) {
    env.HOME = join(root, 'node_modules/.home')
    for (const key of Object.keys(env))
      if (/^(npm_config_cache|npm_config_userconfig|XDG_.*_HOME)$/i.test(key)) delete env[key]
    mkdirSync(env.HOME, { recursive: true })
  }
  return env
}

// A listening socket is the lock: the kernel releases it however its owner ends.
async function lock() {
  const name = `muster-setup-${createHash('sha256').update(root).digest('hex').slice(0, 16)}`
  const path = { linux: `\0${name}`, win32: `\\\\.\\pipe\\${name}` }[process.platform] ?? join(tmpdir(), `${name}.sock`)
  for (let told = false; ; ) {
    const waiting = new Set()
    const server = createServer((socket) => waiting.add(socket.on('error', () => {})))
    const taken = await new Promise((resolve, reject) => {
      server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(true) : reject(error)))
      server.listen(path, () => resolve(false))
    })
    if (!taken)
      return () => {
        server.close()
        for (const socket of waiting) socket.destroy()
      }
    if (!told) say('another start is installing: waiting for it')
    told = true
    await new Promise((resolve) =>
      connect(path)
        .resume()
        .on('error', () => setTimeout(resolve, 100))
        .on('close', resolve),
    )
  }
}

function isWritable(directory) {
  try {
    accessSync(directory, constants.W_OK)
    return true
  } catch {
    return false
  }
}

function seconds(since) {
  return Math.round((Date.now() - since) / 1000)
}

function say(text) {
  process.stderr.write(`[setup] ${text}\n`)
}
