// node tests/bench/pki-hsm.ts [seconds a row]: signatures and certificates by a key in SoftHSM2, beside the same key in memory.
import { createPublicKey, type KeyObject } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openPkcs11KeyStore } from '@muster/pkcs11'
import { openSoftHsm } from '@muster/pkcs11/testing'
import { type Issuer, issueCertificate, openCa } from '@muster/pki'
import { createTestCa, poolKey } from '@muster/pki/testing'

const { positionals } = parseArgs({ allowPositionals: true })
const seconds = Number(positionals[0] ?? 3)
const now = new Date()
const spkiOf = (key: KeyObject) => createPublicKey(key).export({ type: 'spki', format: 'der' })

await using hsm = await openSoftHsm()
const directory = await mkdtemp(join(tmpdir(), 'muster-bench-'))
await using keys = await openPkcs11KeyStore({ ...hsm.address, env: hsm.env })
const inToken = (await openCa({ directory, now, keys })).issuer
const inMemory = (await createTestCa({ now })).issuer
const spki = spkiOf(await poolKey())
let count = 0

const sign = (issuer: Issuer) => () => issuer.sign(Buffer.alloc(700, count++))
const issue = (issuer: Issuer) => () =>
  issueCertificate(issuer, {
    identity: { fleet: 'default', group: 'default', device: `pump-${count++}`, profile: 'device' },
    ...{ spki, trustDomain: 'muster.local', notBefore: now, notAfter: new Date(now.getTime() + 90 * 86_400_000) },
  })

/** `width` at a time. */
async function measure(work: () => Promise<unknown>, width: number): Promise<number> {
  for (let i = 0; i < 100; i++) await work()
  const start = performance.now()
  const end = start + seconds * 1_000
  let done = 0
  const repeat = async () => {
    for (; performance.now() < end; done++) await work()
  }
  await Promise.all(Array.from({ length: width }, repeat))
  return (done * 1_000) / (performance.now() - start)
}

for (const [place, issuer] of Object.entries({ SoftHSM2: inToken, memory: inMemory }))
  for (const [what, work] of Object.entries({ signatures: sign(issuer), certificates: issue(issuer) }))
    for (const width of [1, 16]) {
      const perSecond = await measure(work, width)
      const name = `${what}, ${place}, ${width} at a time`.padEnd(40)
      const ms = ((1_000 * width) / perSecond).toFixed(2)
      console.log(`${name}${perSecond.toFixed(0).padStart(7)}/s ${ms.padStart(7)} ms each`)
    }
await rm(directory, { recursive: true, force: true })
