import { createPublicKey } from 'node:crypto'
import { memoryStore, type StoredEnrolment } from '@muster/device'
import { issueEnrolment } from '@muster/device/testing'
import { createCsr, readCsr } from '@muster/pki'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'
import { beforeAll, expect, test } from 'vitest'
import type { Step } from '../scenario/fault.ts'
import { createFlash } from './flash.ts'

const always = { require: () => undefined, pass: () => undefined }

let ca: TestCa
beforeAll(async () => {
  ca = await createTestCa()
})

async function makeEnrolment(index: number, withRoots = false): Promise<StoredEnrolment> {
  const key = await poolKey('p256', index)
  const enrolment = await issueEnrolment(ca, readCsr(createCsr(key)).spki, 'pump-1', 'mqtts://localhost:9', {})
  const roots = ca.root.toString()
  return { version: 1, url: 'https://localhost:9', roots, enrolment: { ...enrolment, ...(withRoots && { roots }) } }
}

test.each([false, true])('it keeps what the SDK’s own store keeps (roots in the answer: %s)', async (withRoots) => {
  const [old, next] = [await makeEnrolment(1, withRoots), await makeEnrolment(2, withRoots)]
  const [key, nextKey] = [await poolKey('p256', 1), await poolKey('p256', 2)]
  const results: unknown[] = []
  for (const store of [createFlash().open(always), memoryStore()]) {
    const all = async () => ({
      key: (await store.loadKey())?.export({ type: 'pkcs8', format: 'pem' }),
      enrolment: await store.loadEnrolment(),
      nextKey: (await store.loadNextKey())?.export({ type: 'pkcs8', format: 'pem' }),
      next: await store.loadNext(),
    })
    const states = [await all()]
    for (const change of [
      () => store.addKey(key),
      () => store.addKey(nextKey),
      () => store.saveEnrolment(old),
      () => store.addNextKey(nextKey),
      () => store.saveNext(next),
      () => store.promoteNext(old.enrolment.certificate),
      () => store.promoteNext(next.enrolment.certificate),
      () => store.saveNext(old),
      () => store.dropNext(),
    ]) {
      await change()
      states.push(await all())
    }
    results.push(states)
  }
  expect(results[0]).toEqual(results[1])
})

test('a key that it has is the one that it answers', async () => {
  const flash = createFlash()
  const [key, other] = [await poolKey('p256', 1), await poolKey('p256', 2)]
  await flash.open(always).addKey(key)
  expect(createPublicKey(await flash.open(always).addKey(other)).equals(createPublicKey(key))).toBe(true)
  flash.wipe()
  expect(await flash.open(always).loadKey()).toBeUndefined()
})

test('the power goes right before a write, and nothing is there; right after it, and all is', async () => {
  const enrolment = await makeEnrolment(1)
  const cutAt = async (fatal: Step) => {
    const flash = createFlash()
    let isOn = true
    const require = () => {
      if (!isOn) throw new Error('off')
    }
    const store = flash.open({
      require,
      pass(step) {
        isOn = step !== fatal
        require()
      },
    })
    const key = await store.addKey(await poolKey('p256', 1)).catch(() => undefined)
    await store.saveEnrolment(enrolment).catch(() => undefined)
    const left = flash.open(always)
    return { told: key !== undefined, key: await left.loadKey(), enrolment: await left.loadEnrolment() }
  }
  expect(await cutAt('key-stored')).toMatchObject({ told: false, key: expect.anything(), enrolment: undefined })
  expect(await cutAt('enrol-answered')).toMatchObject({ told: true, enrolment: undefined })
  expect(await cutAt('certificate-stored')).toMatchObject({ enrolment })
})
