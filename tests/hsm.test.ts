import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { openSoftHsm, type SoftHsm } from '@muster/pkcs11/testing'
import { createCsr, encodePem, generateKey } from '@muster/pki'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root, startProcess } from './harness/process.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

const run = promisify(execFile)

let hsm: SoftHsm
let stack: Stack
let before: EnrolledDevice
let withHsm: NodeJS.ProcessEnv

/** A platform whose keys were in files is started again with a token. */
beforeAll(async () => {
  hsm = await openSoftHsm()
  stack = await startStack()
  before = await stack.enrolDevice('before-1')
  const pinFile = join(hsm.directory, 'pin')
  await writeFile(pinFile, `${hsm.address.pin}\n`, { mode: 0o600 })
  withHsm = {
    ...{ MUSTER_CA_KEYS: 'pkcs11', MUSTER_PKCS11_MODULE: hsm.address.module, MUSTER_PKCS11_TOKEN: hsm.address.token },
    ...{ MUSTER_PKCS11_PIN_FILE: pinFile, SOFTHSM2_CONF: hsm.env.SOFTHSM2_CONF },
  }
  await stack.process('provisioner')[Symbol.asyncDispose]()
  await stack.start('provisioner', withHsm)
})
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]()
  await hsm?.[Symbol.asyncDispose]()
})

async function enrolmentOf(device: string) {
  const csr = encodePem('CERTIFICATE REQUEST', createCsr(await generateKey()))
  const body = { claim: await stack.createClaim({ device }), csr }
  return () => stack.api('/v1/enrol', { body, token: undefined })
}

async function verifyByOpenssl(certificate: string, chain: string): Promise<string> {
  const files = { anchor: stack.ca, chain, leaf: certificate }
  const path = (name: string) => join(hsm.directory, `${name}.pem`)
  for (const [name, content] of Object.entries(files)) await writeFile(path(name), content)
  const args = ['-x509_strict', '-CAfile', path('anchor'), '-untrusted', path('chain'), path('leaf')]
  return (await run('openssl', ['verify', ...args])).stdout
}

const rowsOf = async (device: string) => {
  const counts = `select (select count(*) from devices where id = $1)::int as devices,
    (select count(*) from certificates where device = $1)::int as certificates,
    (select count(*) from claim_keys where device = $1)::int as bound`
  return (await stack.query(counts, [device])).rows[0]
}

test('the issuing CA moves from a file into the HSM: a new one is made there and takes over', async () => {
  expect((await stack.api('/v1/issuers', { body: { name: 'issuing-2' } })).status).toBe(201)
  await waitFor('the broker trusts it', async () => {
    return (await stack.api('/v1/issuers/issuing-2')).json.missing.length === 0
  })
  expect((await stack.api('/v1/issuers/issuing-2/activate', { method: 'POST' })).status).toBe(200)

  const { status, json } = await (await enrolmentOf('new-1'))()
  expect(status).toBe(201)
  expect(new X509Certificate(json.certificate).issuer).toContain('CN=Muster issuing-2')
  expect(await verifyByOpenssl(json.certificate, json.chain)).toMatch(/: OK\n$/)

  // Its key is nowhere but in the token; the one before stays good until nothing depends on it.
  const keyFiles = (await readdir(join(stack.data, 'ca'))).filter((file) => file.endsWith('.key'))
  expect(keyFiles.sort()).toEqual(['issuing-1.key', 'root.key'])
  for (const device of [before, await stack.enrolDevice('new-2')]) {
    const client = await device.connect()
    await client.publishAsync(`fleets/default/devices/${device.id}/telemetry/n`, '1', { qos: 1 })
    await client.endAsync()
  }
})

test('while the HSM is away nothing is issued, wholly or half; the same request is answered when it is back', async () => {
  const enrol = await enrolmentOf('patient-1')
  const client = await before.connect()
  await hsm.takeAway()
  for (let attempt = 0; attempt < 3; attempt++) {
    const { status, json } = await enrol()
    expect([status, json.type]).toEqual([503, 'urn:muster:error:unavailable'])
  }
  expect(await rowsOf('patient-1')).toEqual({ devices: 0, certificates: 0, bound: 0 })
  expect((await stack.api('/v1/issuers', { body: { name: 'issuing-3' } })).status).toBe(503)
  expect((await stack.api('/v1/issuers/issuing-3')).status).toBe(404)
  // Devices that have their certificates do not notice.
  await client.publishAsync('fleets/default/devices/before-1/telemetry/n', '2', { qos: 1 })
  await client.endAsync()

  await hsm.bringBack()
  const { json } = await waitFor('the HSM signs again', async () => {
    const answer = await enrol()
    return answer.status === 201 ? answer : undefined
  })
  expect((await enrol()).json.certificate).toBe(json.certificate)
  expect(await rowsOf('patient-1')).toEqual({ devices: 1, certificates: 1, bound: 1 })
  expect(await verifyByOpenssl(json.certificate, json.chain)).toMatch(/: OK\n$/)
})

test('after a crash the key is found again; without the HSM the provisioner says why it does not start', async () => {
  const token = await hsm.findProcess()
  await stack.process('provisioner').kill()
  await waitFor('nothing of it stays', () => {
    try {
      return !process.kill(token, 0)
    } catch {
      return true
    }
  })
  const again = await stack.start('provisioner', withHsm)
  expect((await (await enrolmentOf('new-3'))()).status).toBe(201)
  await again[Symbol.asyncDispose]()

  await hsm.takeAway()
  await expect(stack.start('provisioner', withHsm)).rejects.toThrow('provisioner: the HSM does not answer')
  await hsm.bringBack()
  await stack.start('provisioner', withHsm)
})

test('--check-config names what is missing', async () => {
  const entry = join(root, 'packages/provisioner/src/main.ts')
  const env = { MUSTER_DATABASE_URL: 'postgresql://localhost/muster', MUSTER_CA_KEYS: 'pkcs11' }
  await using check = startProcess(process.execPath, [entry, '--check-config'], { env })
  expect(await check.exited()).toBe(1)
  for (const name of ['MODULE', 'TOKEN', 'PIN']) expect(check.output()).toContain(`MUSTER_PKCS11_${name}: is needed`)
})
