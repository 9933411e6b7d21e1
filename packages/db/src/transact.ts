import { NodePgSession, NodePgTransaction } from 'drizzle-orm/node-postgres'
import { PgDialect } from 'drizzle-orm/pg-core'
import type pg from 'pg'
import { casing, type Db, type Tx } from './open.ts'

/** Sends what `write` sends with COMMIT right behind it, and resolves when all of it is done. */
export type Commit = (write?: () => readonly Promise<unknown>[]) => Promise<void>

export interface Turns<Answers, Result> {
  /** What is asked and what is locked: sent at once, right behind BEGIN. Each statement sees what is committed when its own turn comes. */
  ask(tx: Tx): Promise<Answers>
  /** Decides by the answers, and commits. */
  act(tx: Tx, answers: Answers, commit: Commit): Promise<Result>
}

const dialect = new PgDialect({ casing })

/** The same for all transactions of a connection, so that what is prepared for it stays. */
const transactions = new WeakMap<pg.PoolClient, Tx>()

function transactionOf(client: pg.PoolClient): Tx {
  const known = transactions.get(client)
  if (known) return known
  const session = new NodePgSession(client, dialect, undefined)
  const tx = new NodePgTransaction(dialect, session, undefined) as unknown as Tx
  transactions.set(client, tx)
  return tx
}

/** What is sent meanwhile leaves the process with one system call. */
function sendTogether<Sent>({ connection }: pg.PoolClient, send: () => Sent): Sent {
  connection.stream.cork()
  try {
    return send()
  } finally {
    connection.stream.uncork()
  }
}

/**
 * A transaction of two round trips: nothing is waited for but the answers that decide what is written. Its locks are held as long.
 * Nothing is written before BEGIN and all that was asked have succeeded.
 */
export async function transact<Answers, Result>(db: Db, { ask, act }: Turns<Answers, Result>): Promise<Result> {
  const client = await db.$client.connect()
  const tx = transactionOf(client)
  let hasEnded = false
  const commit: Commit = async (write = () => []) => {
    hasEnded = true
    const { written, committed } = sendTogether(client, () => ({ written: write(), committed: client.query('commit') }))
    const [{ command }] = await Promise.all([committed, ...written])
    // What an aborted transaction answers to COMMIT, as if nothing were wrong.
    if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`)
  }
  try {
    const [, answers] = await sendTogether(client, () => Promise.all([client.query('begin'), ask(tx)]))
    const result = await act(tx, answers, commit)
    if (!hasEnded) await commit()
    client.release()
    return result
  } catch (error) {
    await client.query('rollback').then(
      () => client.release(),
      () => client.release(true),
    )
    throw error
  }
}
