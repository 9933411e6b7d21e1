import type { DeviceState } from '@muster/contracts'
import type { Mark } from '../contact/clock.ts'

/** What happens to a snapshot, in memory and in its file alike. */
export type SnapshotRecord =
  | readonly ['document', index: number, text: string]
  | readonly ['row', serial: string, key: string, at: number, text: string]
  | readonly ['gone', serial: string]
  | readonly ['state', key: string, state: DeviceState]
  /** Rows of a device, of a fleet or of everybody are not believed until they are read again. */
  | readonly ['doubt', whose: { key: string } | { fleet: string } | null]
  /** Every row that is believed was read again at this time or later. */
  | readonly ['swept', at: number]
  | readonly ['mark', mark: Mark, freshnessMs: number]
  | readonly ['left']
  | readonly ['fact', name: string, value: unknown]

interface Entry {
  key: string
  text: string
  /** When the registry was asked for it. */
  at: number
}

/** The time of a row that is not believed. */
const never = Number.MIN_SAFE_INTEGER

/** Rows by serial number, the one that was written last at the end. */
export class SnapshotState {
  readonly documents: string[] = []
  readonly facts = new Map<string, unknown>()
  readonly entries = new Map<string, Entry>()
  mark: { mark: Mark; freshnessMs: number } | undefined
  readonly #serials = new Map<string, string[]>()

  apply(record: SnapshotRecord): void {
    switch (record[0]) {
      case 'document':
        this.documents[record[1]] = record[2]
        return
      case 'row':
        this.#put(record[1], { key: record[2], at: record[3], text: record[4] })
        return
      case 'gone':
        this.#remove(record[1])
        return
      case 'state':
        for (const entry of this.#entriesOf(record[1])) entry.text = withState(entry.text, record[2])
        return
      case 'doubt':
        this.#doubt(record[1])
        return
      case 'swept':
        for (const entry of this.entries.values()) if (entry.at !== never) entry.at = Math.max(entry.at, record[1])
        return
      case 'mark':
        this.mark = { mark: record[1], freshnessMs: record[2] }
        return
      case 'left':
        this.mark = undefined
        return
      case 'fact':
        this.facts.set(record[1], record[2])
    }
  }

  /** What makes a state equal to this one. */
  *records(): Generator<SnapshotRecord> {
    for (const [index, text] of this.documents.entries()) yield ['document', index, text]
    for (const [name, value] of this.facts) yield ['fact', name, value]
    for (const [serial, { key, at, text }] of this.entries) yield ['row', serial, key, at, text]
    if (this.mark) yield ['mark', this.mark.mark, this.mark.freshnessMs]
  }

  /** Whether the row is known as it is, and believed; in memory it is as good as new then. */
  confirm(serial: string, text: string, at: number): boolean {
    const entry = this.entries.get(serial)
    if (!entry || entry.at === never || entry.text !== text) return false
    entry.at = Math.max(entry.at, at)
    this.entries.delete(serial)
    this.entries.set(serial, entry)
    return true
  }

  listDoubted(): string[] {
    return [...this.entries].filter(([, { at }]) => at === never).map(([serial]) => serial)
  }

  /** Into the time of another process; `undefined` where it is not known how much went by. */
  shift(ms: number | undefined): void {
    for (const entry of this.entries.values())
      if (entry.at !== never) entry.at = ms === undefined ? never : entry.at + ms
    if (this.mark && ms !== undefined) this.mark.mark = { ...this.mark.mark, at: this.mark.mark.at + ms }
    else this.mark = undefined
  }

  #entriesOf(key: string): Entry[] {
    return (this.#serials.get(key) ?? []).flatMap((serial) => this.entries.get(serial) ?? [])
  }

  #put(serial: string, entry: Entry) {
    if (!this.entries.delete(serial)) this.#serials.set(entry.key, [...(this.#serials.get(entry.key) ?? []), serial])
    this.entries.set(serial, entry)
  }

  #remove(serial: string) {
    const key = this.entries.get(serial)?.key
    if (key === undefined) return
    this.entries.delete(serial)
    const others = (this.#serials.get(key) ?? []).filter((other) => other !== serial)
    if (others.length > 0) this.#serials.set(key, others)
    else this.#serials.delete(key)
  }

  #doubt(whose: { key: string } | { fleet: string } | null) {
    if (whose && 'key' in whose) for (const entry of this.#entriesOf(whose.key)) entry.at = never
    else
      for (const entry of this.entries.values()) if (!whose || entry.key.startsWith(`${whose.fleet}/`)) entry.at = never
  }
}

const withState = (text: string, deviceState: DeviceState) => JSON.stringify({ ...JSON.parse(text), deviceState })
