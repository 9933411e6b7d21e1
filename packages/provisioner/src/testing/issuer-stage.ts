import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issuerTrust, nodes } from '@muster/db'
import type { Context } from '../context.ts'
import { fileCaStore } from '../issuers/ca-store.ts'
import { type Issuers, openIssuers } from '../issuers/open.ts'
import { prepareRegistry } from '../startup/prepare-registry.ts'
import { openStage, type Stage } from './stage.ts'

/** A stage with a CA in a directory and in the registry, and with brokers that do as they are told. */
export interface IssuerStage extends AsyncDisposable {
  stage: Stage
  ctx: Context
  directory: string
  /** Of the database. */
  url: string
  /** Another process on the same registry and directory. */
  openIssuers(): Promise<Issuers>
  broker(name: string): Promise<void>
  trust(issuer: string, node: string): Promise<void>
}

export async function openIssuerStage(): Promise<IssuerStage> {
  const stage = await openStage()
  const data = await mkdtemp(join(tmpdir(), 'muster-issuers-'))
  const { db, now, settings } = stage.deps
  const directory = join(data, 'ca')
  const { trustDomain } = settings
  const store = fileCaStore({ directory, passphrase: undefined, trustDomain, now })
  await prepareRegistry(db, store, { node: 'provisioner-1', data }, now())
  const open = () =>
    openIssuers({
      db,
      store,
      onError: (error) => {
        throw error
      },
    })
  stage.deps.issuers = await open()
  stage.ctx.issuers = stage.deps.issuers
  return {
    stage,
    ctx: stage.ctx,
    directory,
    url: stage.owner.$client.options.connectionString ?? '',
    openIssuers: open,
    async broker(name) {
      const leaseUntil = new Date(now().getTime() + 3_600_000)
      await stage.owner.insert(nodes).values({ name, startedAt: now(), leaseUntil })
    },
    async trust(issuer, node) {
      await stage.owner.insert(issuerTrust).values({ issuer, node, at: now() })
    },
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]()
      await rm(data, { recursive: true, force: true })
    },
  }
}
