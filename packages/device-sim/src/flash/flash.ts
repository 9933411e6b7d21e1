import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { DeviceStore, StoredEnrolment } from '@muster/device'
import type { Step } from '../scenario/fault.ts'

/** What a device keeps, as bytes: there are ten thousand of them. */
interface Cells {
  key: Buffer | undefined
  nextKey: Buffer | undefined
  enrolment: Packed | undefined
  next: Packed | undefined
}

interface Packed {
  /** JSON of all that is the device's own. */
  own: Buffer
  shared: Shared
}

/** The same for all devices under one CA. */
interface Shared {
  roots: string
  chain: string
  handedOut: string | undefined
}

/** Where the power may go. */
export interface Power {
  /** @throws PowerCut where it is off */
  require(): void
  /** @throws PowerCut where it goes now */
  pass(step: Step): void
}

export interface Flash {
  /** A store over it, for as long as the power is on. */
  open(power: Power): DeviceStore
  wipe(): void
  /** Of the certificate that it holds, as epoch milliseconds. */
  endOfCertificate(): number | undefined
}

const sets = new Map<string, Shared>()

/** The memory of a device: every write is whole and durable, or not there at all. */
export function createFlash(): Flash {
  let cells = empty()
  return {
    wipe() {
      cells = empty()
    },
    endOfCertificate: () => cells.enrolment && Date.parse(unpack(cells.enrolment).enrolment.notAfter),
    open: (power) => createStore(() => cells, power),
  }
}

function empty(): Cells {
  return { key: undefined, nextKey: undefined, enrolment: undefined, next: undefined }
}

function createStore(cells: () => Cells, power: Power): DeviceStore {
  const load = async <Value>(read: (from: Cells) => Value): Promise<Value> => {
    power.require()
    return read(cells())
  }
  const keep = async (slot: 'key' | 'nextKey', candidate: KeyObject, after?: Step): Promise<KeyObject> => {
    power.require()
    const to = cells()
    const kept = to[slot]
    if (kept) return unpackKey(kept)
    to[slot] = candidate.export({ type: 'pkcs8', format: 'der' })
    if (after) power.pass(after)
    return candidate
  }
  const save = async (slot: 'enrolment' | 'next', value: StoredEnrolment, before: Step, after: Step): Promise<void> => {
    power.require()
    power.pass(before)
    cells()[slot] = pack(value)
    power.pass(after)
  }
  return {
    loadKey: () => load(({ key }) => key && unpackKey(key)),
    addKey: (key) => keep('key', key, 'key-stored'),
    loadEnrolment: () => load(({ enrolment }) => enrolment && unpack(enrolment)),
    saveEnrolment: (value) => save('enrolment', value, 'enrol-answered', 'certificate-stored'),
    loadNextKey: () => load(({ nextKey }) => nextKey && unpackKey(nextKey)),
    addNextKey: (key) => keep('nextKey', key),
    loadNext: () => load(({ next }) => next && unpack(next)),
    saveNext: (value) => save('next', value, 'renewal-answered', 'next-stored'),
    promoteNext: (certificate) => load((all) => promote(all, certificate)),
    dropNext: () =>
      load((all) => {
        all.next = undefined
        all.nextKey = undefined
      }),
  }
}

function promote(cells: Cells, certificate: string): void {
  if (!cells.next || unpack(cells.next).enrolment.certificate !== certificate) return
  cells.enrolment = cells.next
  cells.next = undefined
  if (cells.nextKey && certifies(certificate, cells.nextKey)) cells.key = cells.nextKey
  cells.nextKey = undefined
}

function certifies(certificate: string, key: Buffer): boolean {
  return new X509Certificate(certificate).publicKey.equals(createPublicKey(unpackKey(key)))
}

function unpackKey(der: Buffer): KeyObject {
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

function pack({ roots, enrolment, ...rest }: StoredEnrolment): Packed {
  const { chain, roots: handedOut, ...own } = enrolment
  const shared = { roots, chain, handedOut }
  const name = JSON.stringify(shared)
  const known = sets.get(name) ?? shared
  sets.set(name, known)
  return { own: Buffer.from(JSON.stringify({ ...rest, enrolment: own })), shared: known }
}

function unpack({ own, shared: { roots, chain, handedOut } }: Packed): StoredEnrolment {
  const { enrolment, ...rest } = JSON.parse(own.toString())
  return { ...rest, roots, enrolment: { ...enrolment, chain, ...(handedOut !== undefined && { roots: handedOut }) } }
}
