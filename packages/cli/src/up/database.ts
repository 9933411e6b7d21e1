import { join } from 'node:path'
import type { DbRole } from '@muster/db'
import { openEmbeddedPostgres } from '@muster/db/embedded'
import { migrateDb } from '@muster/db/migrate'
import type { UpContext } from './context.ts'
import { keepRunning } from './keep-running.ts'

export interface RunningDatabase extends AsyncDisposable {
  url(role: DbRole): string
}

/** The database that the environment names, or a PostgreSQL of our own that is started again when it ends. */
export async function openDatabase(up: UpContext): Promise<RunningDatabase> {
  const external = up.cli.config.databaseUrl
  if (external !== undefined) {
    await migrateDb(external)
    return { url: () => external, [Symbol.asyncDispose]: async () => undefined }
  }
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  const kept = await keepRunning({
    signal: up.signal,
    open: () => openEmbeddedPostgres({ directory: join(up.data, 'pg'), log: up.screen.line }),
    onEnd: (_, pause) => up.screen.line(`PostgreSQL has ended; starting it again in ${seconds(pause)}`),
    onFailure: (error, pause) => up.screen.line(`${(error as Error).message}; trying again in ${seconds(pause)}`),
    onReady: () => up.screen.line('PostgreSQL is ready again'),
  })
  await using opened = new AsyncDisposableStack()
  opened.use(kept)
  await migrateDb(kept.current.url('muster_owner'))
  const held = opened.move()
  return { url: (role) => kept.current.url(role), [Symbol.asyncDispose]: () => held.disposeAsync() }
}
