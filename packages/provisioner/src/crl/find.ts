import { hash } from 'node:crypto'
import { crls, type Db } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import { type CrlName, crlPath } from './places.ts'

export interface ServedCrl {
  der: Uint8Array<ArrayBuffer>
  etag: string
  thisUpdate: Date
  nextUpdate: Date
}

export interface CrlShelf {
  find(name: CrlName): Promise<ServedCrl | undefined>
}

/** The CRLs as the registry has them, whichever provisioner made them; each is read once. Without the registry, what was read last. */
export function createCrlShelf({ db, now }: { db: Db; now(): Date }): CrlShelf {
  const shelf = new Map<string, ServedCrl & { number: number }>()

  async function look(name: CrlName) {
    const key = crlPath(name)
    const isIt = and(eq(crls.issuer, name.issuer), eq(crls.shard, name.shard), eq(crls.kind, name.kind))
    const [current] = await db.select({ number: crls.number, thisUpdate: crls.thisUpdate }).from(crls).where(isIt)
    const known = shelf.get(key)
    if (!current) return undefined
    if (known?.number === current.number && known.thisUpdate.getTime() === current.thisUpdate.getTime()) return known
    const [row] = await db.select().from(crls).where(isIt)
    if (!row) return undefined
    const { number, thisUpdate, nextUpdate } = row
    const der = new Uint8Array(row.der)
    const found = { der, number, thisUpdate, nextUpdate, etag: `"${hash('sha256', der).slice(0, 32)}"` }
    shelf.set(key, found)
    return found
  }

  return {
    async find(name) {
      try {
        return await look(name)
      } catch (error) {
        const known = shelf.get(crlPath(name))
        if (known && known.nextUpdate > now()) return known
        throw error
      }
    },
  }
}
