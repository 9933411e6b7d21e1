import { spawn } from 'node:child_process'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { isRoot, runAs } from './account.ts'
import { locateBinaries, openBinaries } from './binaries.ts'
import { initialiseCluster } from './initialise.ts'
import { stopLeftover } from './leftover.ts'
import { openPlace, type Place } from './place.ts'
import { type Server, startServer } from './server.ts'
import { openSocketDirectory } from './socket.ts'

const log = () => {}
let root: string

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-pg-'))
  if (isRoot()) await chmod(root, 0o711)
})
afterEach(() => rm(root, { recursive: true, force: true }))

const place = () => openPlace(path.join(root, 'pg'), path.join(root, 'shared'), log)

/** A server that no guard watches, as if the guard had been killed with its owner. */
async function start(at: Place): Promise<Server> {
  const binaries = await openBinaries(at.account, locateBinaries(), path.join(root, 'shared'), log)
  await initialiseCluster(at, binaries)
  const { path: socketDirectory } = await openSocketDirectory(at)
  return await startServer(at, binaries, { socketDirectory, maxConnections: 20, isDurable: true })
}

test('a server without an owner is stopped by the next start', async () => {
  await using held = await place()
  const server = await start(held)
  await stopLeftover(held, log)
  expect(await server.exited).toEqual({ code: 0, signal: null })
  await using again = await start(held)
  expect(again.pid).not.toBe(server.pid)
})

test('so are its processes when the postmaster is gone', async () => {
  await using held = await place()
  const server = await start(held)
  process.kill(server.pid, 'SIGKILL')
  await stopLeftover(held, log)
  expect((await server.exited).signal).toBe('SIGKILL')
  await using again = await start(held)
  await again[Symbol.asyncDispose]()
})

test('is safe: a process that only speaks of the directory, and another directory’s server, go on', async () => {
  await using held = await place()
  const server = await start(held)
  const other = spawn('/bin/sh', ['-c', 'sleep 60', '-D', held.data], { stdio: 'ignore' })
  try {
    await using elsewhere = await openPlace(path.join(root, 'elsewhere'), path.join(root, 'shared'), log)
    await stopLeftover(elsewhere, log)
    expect(await Promise.race([server.exited, 'runs'])).toBe('runs')
    await stopLeftover(held, log)
    expect(other.exitCode ?? other.signalCode).toBe(null)
  } finally {
    other.kill('SIGKILL')
    await server[Symbol.asyncDispose]()
  }
})

test.skipIf(!isRoot())('binaries that the account cannot reach are copied once, closed files included', async () => {
  const { native, version } = locateBinaries()
  const closed = path.join(root, 'home')
  await mkdir(closed, { mode: 0o700 })
  await cp(native, path.join(closed, 'native'), { recursive: true, verbatimSymlinks: true })
  for (const name of ['native', 'native/bin', 'native/lib', 'native/share']) await chmod(path.join(closed, name), 0o700)
  await chmod(path.join(closed, 'native/bin/postgres'), 0o700)
  const account = { uid: 65_534, gid: 65_534 }
  const lines: string[] = []
  const openCopy = () =>
    openBinaries(account, { native: path.join(closed, 'native'), version }, path.join(root, 'shared'), (line) =>
      lines.push(line),
    )
  const bin = await openCopy()
  expect(await openCopy()).toBe(bin)
  expect(lines).toHaveLength(1)
  expect(await runAs(account, path.join(bin, 'initdb'), ['--version'])).toBe(undefined)
  // A copy that the system's end left incomplete is made again.
  await rm(path.join(bin, 'postgres'))
  expect(await openCopy()).toBe(bin)
  expect(await readdir(path.join(root, 'shared'))).toEqual([`postgres-${version}`])
})

test.skipIf(!isRoot())('is safe: a shared directory that somebody else could change is not used', async () => {
  const shared = path.join(root, 'shared')
  await mkdir(shared)
  await chown(shared, 65_534, 65_534)
  await chmod(shared, 0o755)
  const closed = path.join(root, 'closed')
  await mkdir(closed, { mode: 0o700 })
  await expect(openPlace(path.join(closed, 'pg'), shared, log)).rejects.toMatchObject({ code: 'unavailable' })
  expect((await stat(path.join(closed, 'pg'))).isDirectory()).toBe(true)
})

test.skipIf(!isRoot())('is safe: a cluster that cannot be reached any more is not hidden by a new one', async () => {
  const closed = path.join(root, 'closed')
  await mkdir(path.join(closed, 'pg', 'data'), { recursive: true })
  await chmod(closed, 0o700)
  const shared = path.join(root, 'shared')
  await expect(openPlace(path.join(closed, 'pg'), shared, log)).rejects.toMatchObject({ code: 'unavailable' })
  expect(await readdir(path.join(closed, 'pg'))).toEqual(['data'])
  expect(await readdir(shared)).toEqual([])
})
