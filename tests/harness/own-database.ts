import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedPostgres, migrateDb, openDb, openEmbeddedPostgres } from '@muster/db'
import type { TestDb } from '@muster/db/testing'

export interface OwnDatabase extends TestDb {
  /** SIGKILL, as a crash of its machine would. */
  kill(): Promise<void>
  start(): Promise<void>
}

/** A server that no other test has, to be killed. */
export async function openOwnDatabase(): Promise<OwnDatabase> {
  const data = await mkdtemp(join(tmpdir(), 'muster-own-'))
  // Run by root, the server is another account and must be able to pass.
  if (process.getuid?.() === 0) await chmod(data, 0o711)
  const open = () => openEmbeddedPostgres({ directory: join(data, 'pg'), shared: join(data, 'shared') })
  let server: EmbeddedPostgres | undefined = await open()
  const { url: urlOf } = server
  await migrateDb(urlOf('muster_owner'))
  const db = await openDb({ url: urlOf('muster_owner') })
  return {
    db,
    url: urlOf('muster_owner'),
    as: (role) => urlOf(role),
    async kill() {
      if (!server) return
      process.kill(server.pid, 'SIGKILL')
      await server.exited
      await server[Symbol.asyncDispose]()
      server = undefined
    },
    async start() {
      server = await open()
    },
    async [Symbol.asyncDispose]() {
      await db[Symbol.asyncDispose]()
      await server?.[Symbol.asyncDispose]()
      await rm(data, { recursive: true, force: true })
    },
  }
}
