import type { Observation } from '../observations.ts'
import type { CertificateRecord, PlatformView } from '../run/platform-view.ts'
import type { Scenario } from '../scenario/schema.ts'
import { findClass } from './find-class.ts'
import type { Invariant } from './invariant.ts'
import { createJudgement } from './judgement.ts'

type Received = Extract<Observation, { saw: 'certificate' }>

interface Holding {
  enrolled: { serial: string; at: number; notAfter: number } | undefined
  /** The last one that it was given, and those before. */
  current: string | undefined
  former: string[]
  /** When it first connected with `current`: from then on there is no other. */
  usedAt: number | undefined
  stored: string | undefined
}

/** The one before ends in the same transaction as the first use of the new one; looking takes its time. */
const overlapMs = 3_000
/** How many are asked for one by one in each look. */
const looks = 50
const isLive = ({ state }: CertificateRecord) => state === 'active' || state === 'pending'

export function createOneCertificate(scenario: Scenario, { now }: { now(): number }): Invariant {
  const judgement = createJudgement({
    name: 'one-certificate',
    statement:
      'A device has one certificate: the same claim and key get the same one, another key none, and a renewal ends the one before with the first use of the new one.',
    now,
    expects: () => 'no device has had a certificate',
  })
  const holdings = new Map<string, Holding>()
  /** Renewed and used, not looked at since. */
  const fresh = new Set<string>()
  const reported = new Set<string>()
  const renewals = scenario.phases.flatMap((phase) => (phase.do === 'renew' || phase.do === 'rotate' ? [phase.of] : []))
  const mayRenew = (device: string) =>
    renewals.some((classes) => classes === undefined || classes.includes(findClass(scenario, device) ?? ''))

  function holdingOf(device: string): Holding {
    const none = { enrolled: undefined, current: undefined, usedAt: undefined, stored: undefined }
    const holding = holdings.get(device) ?? { ...none, former: [] }
    holdings.set(device, holding)
    return holding
  }

  function replace(holding: Holding, serial: string) {
    if (holding.current === serial) return
    if (holding.current !== undefined) holding.former.push(holding.current)
    holding.current = serial
    holding.usedAt = undefined
  }

  function receive(received: Received) {
    const { device, serial, notAfter, by } = received
    if (received.attacker) return judgement.violated(`another key got a certificate (${serial})`, received)
    const holding = holdingOf(device)
    const { enrolled } = holding
    if (by === 'enrol' && enrolled && enrolled.serial !== serial && enrolled.notAfter > received.at)
      judgement.violated(`enrolled again it got another certificate (${enrolled.serial}, then ${serial})`, received)
    if (by === 'enrol') holding.enrolled = { serial, at: received.at, notAfter }
    replace(holding, serial)
  }

  function connect({ device, serial, at, attacker }: Extract<Observation, { saw: 'connected' }>) {
    if (attacker && !holdings.has(device)) return
    const holding = holdingOf(device)
    const { usedAt, former } = holding
    if (former.includes(serial)) {
      if (usedAt !== undefined && at > usedAt + overlapMs)
        judgement.violated(`a certificate that has a successor was admitted (${serial})`, { device, at })
      return
    }
    if (attacker) return
    // The power may go before a device has told that it has another.
    replace(holding, serial)
    holding.usedAt ??= at
    if (former.length > 0) fresh.add(device)
  }

  /** @returns what is wrong with what the platform holds for one device. `isOver`: the device has told all */
  function findFault(device: string, held: readonly CertificateRecord[], isOver: boolean): string | undefined {
    const holding = holdings.get(device)
    const live = held.filter(isLive)
    const count = (state: string) => held.filter((one) => one.state === state).length
    if (count('active') > 1 || live.length > 2) return `${live.length} certificates are good at once`
    const serial = holding?.stored ?? holding?.current
    if (!holding || serial === undefined) return undefined
    if (!held.some((one) => one.serial === serial)) return `the platform does not know its certificate (${serial})`
    if (!mayRenew(device) && !isDue(holding) && held.length > 1)
      return `it was issued ${held.length} certificates, and does not renew`
    const isUsed = holding.usedAt !== undefined && holding.usedAt + overlapMs < now()
    // While it runs, one that is not known here may be newer than what the device has told.
    const isBefore = (one: CertificateRecord) =>
      one.serial !== serial && (isOver || holding.former.includes(one.serial))
    if (isUsed && serial === holding.current && live.some((one) => one.state === 'active' && isBefore(one)))
      return 'the certificate before is still good, although the new one is in use'
    return undefined
  }

  /** Where certificates are short-lived devices renew by themselves: in the last third, and somewhat early. */
  const isDue = ({ enrolled }: Holding) =>
    enrolled !== undefined && now() > enrolled.at + (enrolled.notAfter - enrolled.at) / 2

  /** Between two pages the world goes on: what looks wrong is looked at again, in one piece. */
  async function confirm(platform: PlatformView, device: string, isOver: boolean) {
    const what = findFault(device, await platform.certificatesOf(device), isOver)
    if (what === undefined || reported.has(device)) return
    reported.add(device)
    judgement.violated(what, { device })
  }

  return {
    name: 'one-certificate',
    statement: judgement.verdict().statement,
    observe(observation) {
      if (observation.saw === 'certificate') receive(observation)
      if (observation.saw === 'connected') connect(observation)
      const holding = holdings.get(observation.device)
      if (observation.saw === 'end' && holding) holding.stored = observation.serial
    },
    async look(platform) {
      const due = [...fresh].filter((device) => (holdings.get(device)?.usedAt ?? now()) + overlapMs < now())
      for (const device of due.slice(0, looks)) {
        fresh.delete(device)
        await confirm(platform, device, false)
      }
    },
    async conclude(platform) {
      const held = new Map<string, CertificateRecord[]>()
      for await (const one of platform.certificates()) {
        const others = held.get(one.device)
        if (others) others.push(one)
        else held.set(one.device, [one])
      }
      judgement.judged(holdings.size)
      for (const device of new Set([...held.keys(), ...holdings.keys()]))
        if (findFault(device, held.get(device) ?? [], true) !== undefined) await confirm(platform, device, true)
    },
    verdict: judgement.verdict,
  }
}
