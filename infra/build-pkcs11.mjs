// node infra/build-pkcs11.mjs: compiles pkcs11js, which `@muster/pkcs11` needs and no installation compiles by itself.
// Three files of C++ against Node's stable ABI: a compiler and Node's own headers do, without node-gyp and without a network.
// Runs on Node >= 18, like bootstrap.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Leaves what is compiled already as it is. */
export function buildPkcs11() {
  const source = findSource()
  const target = join(source, 'build/Release/pkcs11.node')
  if (existsSync(target)) return
  if (process.platform === 'win32')
    throw new Error(`on Windows, compile pkcs11js with: npx node-gyp rebuild --directory ${source}`)
  const draft = `${target}.${process.pid}`
  mkdirSync(dirname(target), { recursive: true })
  try {
    compile(source, draft)
    // Another process may be at it as well: each puts a complete file in place.
    renameSync(draft, target)
  } finally {
    rmSync(draft, { force: true })
  }
}

function findSource() {
  try {
    const { resolve } = createRequire(join(root, 'packages/pkcs11/package.json'))
    return dirname(realpathSync(resolve('pkcs11js/package.json')))
  } catch {
    throw new Error('pkcs11js is not installed: it is an optional dependency, which the installation has left out')
  }
}

function compile(source, target) {
  const compiler = process.env.CXX || 'g++'
  const platform = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
  const defines = ['NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_GYP_MODULE_NAME=pkcs11', 'BUILDING_NODE_EXTENSION']
  const args = [
    ...['-shared', '-fPIC', '-O2', '-std=c++17', ...platform, ...defines.map((define) => `-D${define}`)],
    ...[`-I${findHeaders()}`, `-I${join(source, 'includes')}`],
    ...['dl', 'common', 'main'].map((file) => join(source, `src/${file}.cpp`)),
    ...['-o', target],
  ]
  const { status, stderr, error } = spawnSync(compiler, args, { encoding: 'utf8' })
  if (error?.code === 'ENOENT')
    throw new Error(`compiling pkcs11js needs a C++ compiler: ${compiler} was not found (Debian: apt-get install g++)`)
  if (error) throw error
  if (status !== 0) throw new Error(`pkcs11js cannot be compiled with ${compiler}:\n${stderr}`)
}

/** They come with every Node that was not taken apart: beside the workspace's own, or the one that runs this. */
function findHeaders() {
  const own = join(root, 'node_modules/.bin/node')
  const installed = [own, process.execPath].filter((path) => existsSync(path))
  const places = installed.map((path) => join(dirname(realpathSync(path)), '../include/node'))
  if (process.env.npm_config_nodedir) places.push(join(process.env.npm_config_nodedir, 'include/node'))
  const found = places.find((place) => existsSync(join(place, 'node_api.h')))
  if (found) return found
  throw new Error(
    `compiling pkcs11js needs the headers of Node (node_api.h), looked for in ${places.join(' and ')}: reinstall Node with them, or name a directory that has include/node in npm_config_nodedir`,
  )
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    buildPkcs11()
  } catch (error) {
    process.stderr.write(`[setup] ${error.message}\n`)
    process.exitCode = 1
  }
}
