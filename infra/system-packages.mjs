// What the tests need from the operating system. Runs on Node >= 18, like bootstrap.mjs.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Any one of `commands` will do, or all `files` must be there; `debian` is the package that brings it. */
const needs = [
  { commands: ['chromium', 'chromium-browser', 'google-chrome'], debian: 'chromium', why: 'browser tests' },
  { commands: ['certutil'], debian: 'libnss3-tools', why: 'a browser with a client certificate' },
  { commands: ['pk12util'], debian: 'libnss3-tools', why: 'a browser with a client certificate' },
  { commands: ['mosquitto_pub'], debian: 'mosquitto-clients', why: 'a foreign MQTT client' },
  { commands: ['mosquitto_sub'], debian: 'mosquitto-clients', why: 'a foreign MQTT client' },
  { commands: ['mosquitto_rr'], debian: 'mosquitto-clients', why: 'examples/openssl-curl' },
  { commands: ['jq'], debian: 'jq', why: 'examples/openssl-curl' },
  { commands: ['openssl'], debian: 'openssl', why: 'a second opinion on certificates' },
  { commands: ['certtool'], debian: 'gnutls-bin', why: 'a third opinion on certificates' },
  { commands: ['ocsptool'], debian: 'gnutls-bin', why: 'a third opinion on certificates' },
  { commands: ['softhsm2-util'], debian: 'softhsm2', why: 'an HSM' },
  { commands: ['g++'], debian: 'g++', why: 'compiling pkcs11js, the way to an HSM' },
  { commands: ['curl'], debian: 'curl', why: 'the tutorial and the examples' },
  { commands: ['mosquitto'], debian: 'mosquitto', service: 'mosquitto', why: 'the benchmarks beside another broker' },
  {
    files: ['/usr/bin/python3', '/usr/lib/python3/dist-packages/paho/mqtt/client.py'],
    debian: 'python3-paho-mqtt',
    why: 'a foreign MQTT client',
  },
  { commands: ['cc'], debian: 'gcc', why: 'compiling a foreign MQTT client' },
  { files: ['/usr/include/MQTTClient.h'], debian: 'libpaho-mqtt-dev', why: 'a foreign MQTT client' },
  { commands: ['make'], debian: 'make', why: 'examples/c' },
  { files: ['/usr/include/openssl/ssl.h'], debian: 'libssl-dev', why: 'examples/c' },
  { files: ['/usr/include/cjson/cJSON.h'], debian: 'libcjson-dev', why: 'examples/c' },
]

export function requireSystemPackages() {
  let missing = needs.filter(isMissing)
  if (missing.length > 0 && process.getuid?.() === 0 && isDebian()) {
    for (const { service } of missing) if (service) keepStopped(service)
    installPackages([...new Set(missing.map((need) => need.debian))])
    missing = needs.filter(isMissing)
  }
  if (missing.length > 0)
    throw new Error(`the tests need more than this machine has:\n${missing.map(describe).join('\n')}`)
}

function isMissing({ commands, files }) {
  if (files) return !files.every((file) => existsSync(file))
  // Where Debian puts servers is not in everybody's path.
  const directories = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), '/usr/sbin']
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

function describe({ commands, files, debian, why }) {
  const command = isDebian() ? `sudo apt-get install -y ${debian}` : `install it (Debian calls the package ${debian})`
  return `  ${commands?.[0] ?? files.at(-1)} (${why}): ${command}`
}

// Debian starts a server when it installs it, and at every boot: a masked unit is not started. The tests start their own.
function keepStopped(service) {
  const unit = `/etc/systemd/system/${service}.service`
  mkdirSync('/etc/systemd/system', { recursive: true })
  if (!existsSync(unit)) symlinkSync('/dev/null', unit)
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
