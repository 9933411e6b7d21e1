import { randomBytes } from 'node:crypto'
import { chown, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { MusterError } from '@muster/contracts'
import { isRoot, runAs } from './account.ts'
import type { Place } from './place.ts'

const partialName = /^data\.partial-[0-9a-f]{8}$/

/** Makes the cluster where there is none. It is made under another name first: `data` is whole or absent. */
export async function initialiseCluster(place: Place, binaries: string): Promise<void> {
  for (const name of await readdir(place.home))
    if (partialName.test(name)) await rm(path.join(place.home, name), { recursive: true, force: true, maxRetries: 5 })
  if (await requireOwnCluster(place)) return
  const partial = path.join(place.home, `data.partial-${randomBytes(4).toString('hex')}`)
  await mkdir(partial, { mode: 0o700 })
  if (isRoot()) await chown(partial, place.account.uid, place.account.gid)
  const problem = await runAs(place.account, path.join(binaries, 'initdb'), [
    ...['-D', partial, '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--data-checksums', '--no-instructions'],
    // Only over the socket, which nobody else can reach.
    ...['--auth-local=trust', '--auth-host=reject'],
  ])
  if (problem) {
    await rm(partial, { recursive: true, force: true, maxRetries: 5 })
    throw new MusterError('unavailable', `the database cannot be created in ${place.home}: ${problem}`)
  }
  await rename(partial, place.data)
  await using directory = await open(place.home)
  await directory.sync()
}

async function requireOwnCluster({ data, account }: Place): Promise<boolean> {
  const owner = await stat(data).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (owner && owner.uid !== account.uid)
    throw new MusterError(
      'unavailable',
      `the database in ${data} belongs to uid ${owner.uid}; start Muster as that user or as root`,
    )
  return owner !== undefined
}
