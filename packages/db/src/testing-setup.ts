import { chmod, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { openEmbeddedPostgres } from './embedded/open.ts'
import { migrateDb } from './migrate.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** URL with `{role}` and `{database}` in the places of both. */
    testCluster: string
  }
}

/** vitest globalSetup: one cluster for the run, with the migrated database `muster` as the template of all others. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'muster-test-'))
  // Run by root, the server is another account and must be able to pass.
  if (process.getuid?.() === 0) await chmod(directory, 0o711)
  const shared = path.join(directory, 'shared')
  const options = { directory: path.join(directory, 'pg'), shared, maxConnections: 400, isDurable: false }
  const cluster = await openEmbeddedPostgres(options)
  await migrateDb(cluster.url('muster_owner'))
  project.provide(
    'testCluster',
    cluster.url('muster_owner').replace('muster_owner@', '{role}@').replace('/muster?', '/{database}?'),
  )
  return async () => {
    await cluster[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  }
}
