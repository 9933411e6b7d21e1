import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { operatorTokens, recordAudit, type Tx } from '@muster/db'
import { createSecret, createSecretId, hashSecret } from '../secret.ts'

const pattern = /^muster_op_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/

/**
 * The first operator's token: the file is written before the row, and a file without a row gets one,
 * so that a start cut off between the two goes on at the next.
 */
export async function ensureOperatorToken(tx: Tx, directory: string, actor: string, at: Date): Promise<void> {
  const path = join(directory, 'operator-token')
  const token = (await readToken(path)) ?? (await writeToken(path))
  const [, id, secret] = pattern.exec(token) ?? []
  if (!id || !secret) throw new MusterError('conflict', `${path} does not hold an operator token: remove the file`)
  const inserted = await tx
    .insert(operatorTokens)
    .values({ id, name: 'first operator', secretHash: hashSecret(secret), createdAt: at })
    .onConflictDoNothing()
    .returning({ id: operatorTokens.id })
  if (inserted.length > 0)
    await recordAudit(tx, { actor, action: 'operator-token.create', fleet: 'muster', subject: id, at })
}

async function readToken(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function writeToken(path: string): Promise<string> {
  const token = `muster_op_${createSecretId()}_${createSecret()}`
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  {
    await using file = await open(draft, 'wx', 0o600)
    await file.writeFile(`${token}\n`)
    await file.sync()
  }
  await rename(draft, path)
  await using directory = await open(dirname(path), 'r')
  await directory.sync()
  return token
}
