import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createTestCa, poolKey } from '@muster/pki/testing'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { call } from './harness/http.ts'
import { openFront } from './harness/https-front.ts'
import { type RunningProcess, root, startProcess } from './harness/process.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
let backend: MqttClient
let server: EnrolledDevice
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-examples-'))
  await promisify(execFile)('make', ['-j2', '-C', join(root, 'examples/c'), `BUILD=${join(folder, 'c-build')}`])
  stack = await startStack()
  backend = await (await stack.enrolDevice('backend', { profile: 'service' })).connect()
  server = await stack.enrolDevice('front', { fleet: 'muster', group: 'provisioners', profile: 'server' })
  await fillDrawer()
})
afterAll(async () => {
  await backend?.endAsync(true)
  await stack?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Sysexits: refused for good, not the server of the claim. */
const refused = 77
const untrusted = 76

const serialIn = (pem: string) => new X509Certificate(pem).serialNumber.toLowerCase()

/** A device of an example: its claim, and the directory in which it keeps what it has. */
async function createSpecimen(id: string, [program = '', ...args]: string[]) {
  const directory = join(folder, id)
  const claimFile = join(folder, `${id}.claim`)
  const claim = await stack.createClaim({ device: id })
  await writeFile(claimFile, `${claim}\n`, { mode: 0o600 })
  return {
    ...{ directory, claimFile, claim },
    /** A reading every second, and as often the question when to renew. */
    start(url = `https://localhost:${stack.ports.api}`): RunningProcess {
      const own = [url, claimFile, directory, '1', '1']
      return startProcess(program, [...args, ...own], { env: { PATH: process.env.PATH } })
    },
    key: () => readFile(join(directory, 'key.pem'), 'utf8'),
    serial: async () => serialIn(await readFile(join(directory, 'certificate.pem'), 'utf8')),
    api: async (path = '') => (await stack.api(`/v1/devices/${id}${path}`)).json,
  }
}

/** A server of a CA that the platform knows nothing of. */
async function createImpostor(now = new Date()) {
  const ca = await createTestCa({ now })
  const key = await poolKey()
  const { pem } = await ca.issue({ device: 'provisioner-1', profile: 'server' }, key, { hosts: ['localhost'] })
  const cert = [pem, ...ca.issuer.chain.map((issuer) => issuer.toString())].join('')
  return { identity: { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert }, root: ca.root.toString() }
}

/** Answers a bootstrap, and everything else with "not now". */
function showRoots(roots: string) {
  return (path: string, _body: string, response: ServerResponse) => {
    response.writeHead(path === '/v1/bootstrap' ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ roots, rootFingerprint: '0'.repeat(64), serverTime: new Date().toISOString() }))
  }
}

/** Sends a command and answers what the device says to it. */
async function ask(id: string, command: string, payload: string): Promise<string> {
  const topic = `fleets/default/devices/${id}/events/commands/${command}`
  const answer = new Promise<string>((resolve) => {
    const hear = (heard: string, content: Buffer) => {
      if (heard !== topic) return
      backend.off('message', hear)
      resolve(content.toString())
    }
    backend.on('message', hear)
  })
  await backend.subscribeAsync(topic, { qos: 1 })
  await backend.publishAsync(`fleets/default/devices/${id}/commands/${command}`, payload, { qos: 1 })
  return answer
}

/** What every process on this machine shows to every other. */
async function listArgumentsAndEnvironments(): Promise<string> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const readable = (file: string) => readFile(file, 'utf8').catch(() => '')
  const texts = pids.flatMap((pid) => [readable(`/proc/${pid}/cmdline`), readable(`/proc/${pid}/environ`)])
  return (await Promise.all(texts)).join('\n')
}

const examples: [string, () => string[]][] = [
  ['linux-board', () => [process.execPath, 'examples/linux-board/src/main.ts']],
  ['openssl-curl', () => ['sh', 'examples/openssl-curl/muster-device.sh']],
  ['python', () => ['/usr/bin/python3', 'examples/python/muster_device.py']],
  ['c', () => [join(folder, 'c-build/muster-device')]],
]

/** Devices that enrol before the other tests begin, and come back when their certificates have ended. */
const drawer: { name: string; device: Awaited<ReturnType<typeof createSpecimen>>; serial: string }[] = []
async function fillDrawer(): Promise<void> {
  await stack.api('/v1/fleets/default', { method: 'PATCH', body: { lateRenewalDays: 1 } })
  await stack.process('provisioner').kill()
  await stack.start('provisioner', { MUSTER_CERTIFICATE_VALIDITY: '30s' })
  const putAway = async ([name, command]: (typeof examples)[number]) => {
    const device = await createSpecimen(`${name}-late`, command())
    await using running = device.start()
    const [, serial = ''] = await running.prints(/^enrolled \S+ ([0-9a-f]+)$/m)
    await running.kill()
    drawer.push({ name, device, serial })
  }
  await Promise.all(examples.map(putAway))
  await stack.process('provisioner').kill()
  await stack.start('provisioner', {})
}

describe.each(examples)('examples/%s', (name, command) => {
  let device: Awaited<ReturnType<typeof createSpecimen>>
  let serial = ''

  test('its first boot is cut off before the answer arrives', async () => {
    device = await createSpecimen(name, command())
    const answered = Promise.withResolvers<string>()
    await using front = await openFront(server.credentials, async (path, body, response) => {
      const answer = await call({ port: stack.ports.api, ca: stack.ca, path, ...(body && { body }) })
      if (path === '/v1/enrol') answered.resolve(answer.text)
      else response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.text)
    })
    await using first = device.start(front.url)
    await Promise.race([
      answered.promise,
      first.prints(/nothing that it prints/).catch((error) => answered.reject(error)),
    ])
    const [, , secret = ''] = device.claim.split('.')
    expect(await listArgumentsAndEnvironments()).not.toContain(secret)
    await first.kill()
    serial = serialIn(JSON.parse(await answered.promise).certificate)
    expect((await stat(join(device.directory, 'key.pem'))).mode & 0o777).toBe(0o600)
  })

  test('its second boot gets the same certificate, publishes and answers a command', async () => {
    const key = await device.key()
    await using running = device.start()
    await running.prints(/^published /m)
    expect(running.output()).toMatch(new RegExp(`^enrolled ${name} ${serial}$`, 'm'))
    expect(await device.serial()).toBe(serial)
    expect(await device.key()).toBe(key)
    const { items } = await device.api('/telemetry')
    expect(JSON.parse(items[0].payload)).toMatchObject({ load: expect.any(Number) })
    expect(JSON.parse(await ask(name, 'echo', 'hello'))).toEqual({ status: 'done', echo: 'hello' })
    expect(JSON.parse(await ask(name, 'explode', ''))).toMatchObject({ status: 'unknown' })
    running.child.kill('SIGTERM')
    expect(await running.exited(), running.output()).toBe(0)
  })

  test('started again it has what it had, and renews while it is connected', async () => {
    await rm(device.claimFile)
    await using running = device.start()
    await running.prints(/^published /m)
    expect(running.output()).toMatch(new RegExp(`^enrolled ${name} ${serial}$`, 'm'))

    const end = new Date(Date.now() + 1_000).toISOString()
    await stack.api('/v1/renewal-windows', { body: { device: name, end } })
    const [, renewed] = await running.prints(new RegExp(`^renewed ${name} ([0-9a-f]+)$`, 'm'))
    expect(renewed).not.toBe(serial)
    await waitFor('the new certificate is in use', async () => {
      const { items } = await device.api('/certificates')
      return items.some((each: { serial: string; state: string }) => each.serial === renewed && each.state === 'active')
    })
    expect(await device.serial()).toBe(renewed)
    expect((await stat(join(device.directory, 'key.pem'))).mode & 0o777).toBe(0o600)
    expect(JSON.parse(await ask(name, 'echo', 'still here'))).toEqual({ status: 'done', echo: 'still here' })
  })

  test('revoked while it is connected, and when it comes back, it says so and gives up', async () => {
    await using running = device.start()
    await running.prints(/^published /m)
    const revoked = await stack.api(`/v1/devices/${name}/revoke`, { body: { reason: 'keyCompromise' } })
    expect(revoked.status).toBe(202)
    expect(await running.exited(), running.output()).toBe(refused)
    expect(running.output()).toMatch(/device-revoked/)
    await using again = device.start()
    expect(await again.exited(), again.output()).toBe(refused)
    expect(again.output()).toMatch(/device-revoked/)
  })

  test.each([
    ['of another root', (own: string) => own],
    ['that shows the right root and has another certificate', () => stack.ca],
  ])('a server %s never sees the claim', async (_, rootsOf) => {
    const { identity, root: own } = await createImpostor()
    const roots = rootsOf(own)
    await using front = await openFront(identity, showRoots(roots))
    const victim = await createSpecimen(`${name}-${roots === stack.ca ? 'misled' : 'lured'}`, command())
    await using running = victim.start(front.url)
    expect(await running.exited(), running.output()).toBe(untrusted)
    expect(front.paths).toEqual(['/v1/bootstrap'])
  })

  test('a clock that is behind is not taken for an impostor', async () => {
    const { identity, root: own } = await createImpostor(new Date(Date.now() + 3 * 86_400_000))
    await using front = await openFront(identity, showRoots(own))
    const early = await createSpecimen(`${name}-early`, command())
    const [, , secret] = early.claim.split('.')
    const fingerprint = new X509Certificate(own).fingerprint256.replaceAll(':', '').toLowerCase()
    await writeFile(early.claimFile, `muster1.${'0'.repeat(16)}.${secret}.${fingerprint}`)
    await using running = early.start(front.url)
    // The SDK verifies without a clock; the others wait for one.
    if (name === 'linux-board') await waitFor('the claim', () => front.paths.includes('/v1/enrol'))
    else expect((await running.prints(/clock says|again in/)).input).toMatch(/clock|not yet valid/)
    expect(front.paths.includes('/v1/enrol')).toBe(name === 'linux-board')
  })

  test('roots that the verified server hands out are trusted from then on', async () => {
    const { root: next } = await createImpostor()
    await using front = await openFront(server.credentials, async (path, body, response) => {
      const answer = await call({ port: stack.ports.api, ca: stack.ca, path, ...(body && { body }) })
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ ...answer.json, roots: stack.ca + next }))
    })
    const device = await createSpecimen(`${name}-rolled`, command())
    await using running = device.start(front.url)
    await running.prints(/^enrolled /m)
    const stored = await readFile(join(device.directory, 'roots.pem'), 'utf8')
    expect(stored.match(/-----BEGIN CERTIFICATE-----/g)?.length).toBe(2)
  })

  test('an answer for another key is not kept', async () => {
    const { store } = await stack.enrolDevice(`${name}-other`)
    const foreign = (await store.loadEnrolment())?.enrolment
    await using front = await openFront(server.credentials, async (path, _body, response) => {
      response.writeHead(path === '/v1/enrol' ? 201 : 200, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify(
          path === '/v1/enrol' ? foreign : { ...foreign, rootFingerprint: '0'.repeat(64), roots: stack.ca },
        ),
      )
    })
    const device = await createSpecimen(`${name}-swapped`, command())
    await using running = device.start(front.url)
    expect(await running.exited(), running.output()).toBe(untrusted)
    expect(await readdir(device.directory)).not.toContain('enrolment.json')
  })

  test('a claim that is worth nothing is refused with its name', async () => {
    const stranger = await createSpecimen(`${name}-stranger`, command())
    await writeFile(stranger.claimFile, stranger.claim.replace(/\.[\w-]{43}\./, `.${'A'.repeat(43)}.`), { mode: 0o600 })
    await using running = stranger.start()
    expect(await running.exited(), running.output()).toBe(refused)
    expect(running.output()).toMatch(/claim-invalid/)
  })
})

test('out of a drawer each comes back with a certificate that has ended, renews and publishes', async () => {
  expect(drawer.length).toBe(examples.length)
  const comeBack = async ({ name, device, serial }: (typeof drawer)[number]) => {
    const certificate = new X509Certificate(await readFile(join(device.directory, 'certificate.pem')))
    await waitFor('its end', () => Date.now() > certificate.validToDate.getTime(), { timeoutMs: 40_000 })
    await using running = device.start()
    await running.prints(/^published /m)
    expect(running.output()).toMatch(new RegExp(`^renewed ${name}-late [0-9a-f]+$`, 'm'))
    expect(await device.serial()).not.toBe(serial)
  }
  await Promise.all(drawer.map(comeBack))
})

test('a broker that is gone for a moment costs none of them more than a pause', async () => {
  await using processes = new AsyncDisposableStack()
  const running = drawer.map(({ device }) => processes.use(device.start()))
  await Promise.all(running.map((each) => each.prints(/^published /m)))
  await stack.crash('broker')
  const printed = running.map((each) => each.output().length)
  const isBack = (each: RunningProcess, at: number) => /^published /m.test(each.output().slice(printed[at]))
  await waitFor('all publish again', () => running.every(isBack), { timeoutMs: 40_000 })
})
