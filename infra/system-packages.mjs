// What the tests need from the operating system. Runs on Node >= 18, like bootstrap.mjs.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Any one of `commands` will do; `debian` is the package that brings it. */
const needs = [
  { commands: ['chromium', 'chromium-browser', 'google-chrome'], debian: 'chromium', why: 'browser tests' },
  { commands: ['mosquitto_pub'], debian: 'mosquitto-clients', why: 'a foreign MQTT client' },
  { commands: ['mosquitto_sub'], debian: 'mosquitto-clients', why: 'a foreign MQTT client' },
  { commands: ['openssl'], debian: 'openssl', why: 'a second opinion on certificates' },
  { commands: ['certtool'], debian: 'gnutls-bin', why: 'a third opinion on certificates' },
  { commands: ['ocsptool'], debian: 'gnutls-bin', why: 'a third opinion on certificates' },
  { commands: ['softhsm2-util'], debian: 'softhsm2', why: 'an HSM' },
  { commands: ['g++'], debian: 'g++', why: 'compiling pkcs11js, the way to an HSM' },
  { commands: ['curl'], debian: 'curl', why: 'the tutorial' },
]

export function requireSystemPackages() {
  let missing = needs.filter(isMissing)
  if (missing.length > 0 && process.getuid?.() === 0 && isDebian()) {
    installPackages([...new Set(missing.map((need) => need.debian))])
    missing = needs.filter(isMissing)
  }
  if (missing.length > 0)
    throw new Error(`the tests need more than this machine has:\n${missing.map(describe).join('\n')}`)
}

function isMissing({ commands }) {
  const directories = (process.env.PATH ?? '').split(delimiter).filter(Boolean)
  return !commands.some((command) => directories.some((directory) => isExecutable(join(directory, command))))
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function isDebian() {
  return existsSync('/etc/debian_version') && !isMissing({ commands: ['apt-get'] })
}

function describe({ commands, debian, why }) {
  const command = isDebian() ? `sudo apt-get install -y ${debian}` : `install it (Debian calls the package ${debian})`
  return `  ${commands[0]} (${why}): ${command}`
}

function installPackages(packages) {
  process.stderr.write(`[setup] installing ${packages.join(', ')} with apt-get\n`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const options = ['-q', '-o', 'DPkg::Lock::Timeout=300']
  const install = ['install', '-y', '--no-install-recommends', ...packages]
  for (const step of [['update'], install]) {
    const { status, stdout, stderr } = spawnSync('apt-get', [...options, ...step], { env, encoding: 'utf8' })
    if (status === 0) continue
    const tail = `${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-10).join('\n')
    process.stderr.write(`${tail}\n[setup] apt-get ${step[0]} failed\n`)
    return
  }
}
