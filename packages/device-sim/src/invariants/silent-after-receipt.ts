import type { PlatformView } from '../run/platform-view.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'
import type { StoredReader } from './read-stored.ts'

/** Its clock may be another than the platform's; and a busy simulator hears late of what was sent before. */
const graceMs = { connection: 2_000, message: 10_000 }
/** When a receipt that has not come is missing. */
const receiptMs = 15_000

export function createSilentAfterReceipt(scenario: Scenario, { now }: { now(): number }): Invariant & StoredReader {
  const revokes = scenario.phases.some((phase) => phase.do === 'revoke' && phase.share > 0)
  const judgement = createJudgement({
    name: 'silent-after-receipt',
    statement:
      'After the receipt of its revocation nothing of a device is taken, nothing is delivered to it, and nobody gets in with its certificate.',
    now,
    expects: () => (revokes ? 'no device was revoked with a receipt' : undefined),
  })
  /** By device, until the platform has been asked: the last connection and the last message that it saw. */
  const signs = new Map<string, { what: string; at: number; grace: number }>()
  const receipts = new Map<string, number>()
  const reported = new Set<string>()

  const isAfter = (device: string, at: number, grace: number) =>
    at > (receipts.get(device) ?? Number.POSITIVE_INFINITY) + grace

  function report(device: string, at: number, what: string) {
    if (reported.has(`${device} ${what}`)) return
    reported.add(`${device} ${what}`)
    judgement.violated(what, { device, at })
  }

  function note(device: string, sign: { what: string; at: number; grace: number }) {
    if (isAfter(device, sign.at, sign.grace)) report(device, sign.at, sign.what)
    else signs.set(device, sign)
  }

  function readReceipts(platform: PlatformView) {
    for (const { device, completeAt } of platform.revocations()) {
      if (completeAt === undefined || receipts.has(device)) continue
      receipts.set(device, completeAt)
      judgement.judged()
      const sign = signs.get(device)
      if (sign && isAfter(device, sign.at, sign.grace)) report(device, sign.at, sign.what)
    }
    for (const [device, { topic, at }] of platform.heard())
      if (isAfter(device, at, graceMs.message))
        report(device, at, `a message was passed on after the receipt, on ${topic}`)
  }

  return {
    name: 'silent-after-receipt',
    statement: judgement.verdict().statement,
    observe(observation) {
      const { device, at, saw } = observation
      if (saw === 'connected') {
        const what = `${observation.attacker ? 'somebody with its certificate' : 'it'} was admitted after the receipt`
        // Who had set out before may have been told after.
        note(device, { what, at: observation.begunAt ?? at, grace: graceMs.connection })
      }
      if (saw === 'heard-revoked') {
        const what = `a message was delivered to it after the receipt, on ${observation.topic}`
        note(device, { what, at, grace: graceMs.message })
      }
    },
    async look(platform) {
      readReceipts(platform)
    },
    onStored({ device, topic, receivedAt }, platform) {
      if (receipts.size === 0) readReceipts(platform)
      // Both times are of the platform.
      if (isAfter(device, receivedAt, 0))
        report(device, receivedAt, `a message was taken after the receipt, on ${topic}`)
    },
    async conclude(platform) {
      readReceipts(platform)
      for (const { device, completeAt, askedAt } of platform.revocations())
        if (completeAt === undefined && askedAt + receiptMs < now())
          report(device, askedAt, 'it was revoked, and there is no receipt')
    },
    verdict: judgement.verdict,
  }
}
