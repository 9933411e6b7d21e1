import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type EmbeddedPostgres, openEmbeddedPostgres } from './open.ts'

const isRoot = process.getuid?.() === 0
let root: string
let directory: string

beforeEach(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), 'muster-pg-'))
  if (isRoot) await chmod(root, 0o711)
  directory = path.join(root, 'pg')
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (at = directory) => openEmbeddedPostgres({ directory: at, shared: path.join(root, 'shared') })

async function run(server: Pick<EmbeddedPostgres, 'url'> | string, statement: string): Promise<unknown[]> {
  const connectionString = typeof server === 'string' ? server : server.url()
  const client = new pg.Client({ connectionString })
  await client.connect()
  try {
    return (await client.query(statement)).rows
  } finally {
    await client.end()
  }
}

/** Another `muster up`: prints the server's pid and URL once it is open, closes on SIGTERM. */
async function startOwner(): Promise<{ owner: ChildProcess; pid: number; url: string }> {
  const script = `
    import { openEmbeddedPostgres } from '${new URL('./open.ts', import.meta.url)}'
    const server = await openEmbeddedPostgres({ directory: ${JSON.stringify(directory)} })
    process.once('SIGTERM', () => server[Symbol.asyncDispose]())
    console.log(JSON.stringify({ pid: server.pid, url: server.url() }))`
  const owner = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(owner.stdout, 'data')
  return { owner, ...(JSON.parse(String(line)) as { pid: number; url: string }) }
}

/** A process that has ended but was not waited for has no command line any more. */
async function isAlive(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) !== ''
}

describe('works', () => {
  test('from an empty directory, and again with what was stored', async () => {
    {
      await using server = await open()
      await run(server, 'create table kept (x int); insert into kept values (1)')
    }
    await using server = await open()
    expect(await run(server, 'select x from kept')).toEqual([{ x: 1 }])
    expect((await stat(path.join(directory, 'data'))).mode & 0o077).toBe(0)
  })

  test('listens on its socket only, in a directory nobody else can enter, and is durable', async () => {
    await using server = await open()
    expect(await run(server, 'select current_user::text as login, pg_has_role(10, $$usage$$) as super')).toEqual([
      { login: 'muster_owner', super: false },
    ])
    const [settings] = await run(
      server.url('postgres'),
      `select current_setting('listen_addresses') as tcp, current_setting('fsync') as fsync,
        current_setting('data_checksums') as checksums, current_setting('unix_socket_directories') as socket`,
    )
    const socket = path.join(directory, 'run')
    expect(settings).toEqual({ tcp: '', fsync: 'on', checksums: 'on', socket })
    expect((await stat(socket)).mode & 0o777).toBe(0o700)
  })

  test('ends quickly, with its processes and its socket', async () => {
    const server = await open()
    const client = new pg.Client({ connectionString: server.url() })
    client.on('error', () => {})
    await client.connect()
    await server[Symbol.asyncDispose]()
    expect(await server.exited).toEqual({ code: 0, signal: null })
    expect(await isAlive(server.pid)).toBe(false)
    expect(await readdir(directory)).toEqual(['data', 'postgres.log'])
    await client.end()
  })

  test('where the path is too long for a socket', async () => {
    const deep = path.join(root, 'a'.repeat(60), 'b'.repeat(60), 'pg')
    let url: string
    {
      await using server = await open(deep)
      url = server.url()
      await run(server, 'create table kept ()')
    }
    await using again = await open(deep)
    expect(again.url()).toBe(url)
    expect(await run(url, 'select * from kept')).toEqual([])
    const socket = new URL(url).searchParams.get('host') ?? ''
    expect(socket.startsWith(root)).toBe(false)
    expect((await stat(socket)).mode & 0o777).toBe(0o700)
  })

  test('after the system went down while the cluster was being made', async () => {
    const partial = path.join(directory, 'data.partial-0123abcd')
    await mkdir(partial, { recursive: true })
    await writeFile(path.join(partial, 'PG_VERSION'), '18\n')
    await using _server = await open()
    expect(await readdir(directory)).not.toContain('data.partial-0123abcd')
  })
})

describe('survives', () => {
  test('kill -9 of its owner: the server goes too, and the next start finds everything', async () => {
    const { owner, pid, url } = await startOwner()
    await run(url, 'create table kept (x int); insert into kept values (1)')
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    await using server = await open()
    expect(await isAlive(pid)).toBe(false)
    expect(await run(server, 'select x from kept')).toEqual([{ x: 1 }])
  })

  test('kill -9 of its owner, with nobody starting it again', async () => {
    const { owner, pid } = await startOwner()
    owner.kill('SIGKILL')
    await vi.waitFor(async () => expect(await isAlive(pid)).toBe(false), { timeout: 10_000 })
  })

  test('kill -9 of the server: the owner is told and opens it again, at the same URL', async () => {
    const first = await open()
    await run(first, 'create table kept (x int); insert into kept values (1)')
    process.kill(first.pid, 'SIGKILL')
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })
    await first[Symbol.asyncDispose]()
    await using second = await open()
    expect(second.url()).toBe(first.url())
    expect(await run(second, 'select x from kept')).toEqual([{ x: 1 }])
  })

  test('pid files whose number is another process’ by now', async () => {
    const { owner, pid } = await startOwner()
    owner.kill('SIGKILL')
    await vi.waitFor(async () => expect(await isAlive(pid)).toBe(false), { timeout: 10_000 })
    const { uid, gid } = await stat(path.join(directory, 'data'))
    const other = spawn('/bin/sleep', ['60'], isRoot ? { uid, gid } : {})
    try {
      for (const file of ['data/postmaster.pid', 'run/.s.PGSQL.5432.lock'])
        await writeFile(path.join(directory, file), `${other.pid}\n`)
      await using _server = await open()
      expect(other.exitCode ?? other.signalCode).toBe(null)
    } finally {
      other.kill()
    }
  })
})

describe('rejects', () => {
  test('a second owner, in this process and in another; the first one is not disturbed', async () => {
    const { owner, url } = await startOwner()
    await expect(open()).rejects.toMatchObject({
      code: 'conflict',
      detail: expect.stringContaining(String(owner.pid)),
    })
    expect(await run(url, 'select 1 as x')).toEqual([{ x: 1 }])
    owner.kill('SIGTERM')
    await once(owner, 'exit')
    await using _server = await open()
    await expect(open()).rejects.toMatchObject({ code: 'conflict' })
  })

  test('two that start at once: one gets it', async () => {
    const results = await Promise.allSettled([open(), open()])
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    for (const result of results) if (result.status === 'fulfilled') await result.value[Symbol.asyncDispose]()
  })

  test.each<[string, () => Promise<unknown>]>([
    ['a file in its place', () => writeFile(directory, '')],
    ['a link to nowhere', () => symlink(path.join(root, 'gone'), directory)],
    ['a cluster that is broken', () => mkdir(path.join(directory, 'data'), { recursive: true, mode: 0o700 })],
  ])('%s, in one line', async (_what, prepare) => {
    await prepare()
    const error = await open().catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'unavailable', detail: expect.stringContaining(root) })
    expect(String(error)).not.toContain('\n')
  })

  test.skipIf(!isRoot)(
    'as root: a directory that PostgreSQL’s account cannot reach is replaced by a link',
    async () => {
      const closed = path.join(root, 'closed')
      await mkdir(closed, { mode: 0o700 })
      const lines: string[] = []
      const options = {
        directory: path.join(closed, 'pg'),
        shared: path.join(root, 'shared'),
        log: (l: string) => lines.push(l),
      }
      {
        await using server = await openEmbeddedPostgres(options)
        await run(server, 'create table kept ()')
      }
      expect(lines.join()).toContain(options.shared)
      await using server = await openEmbeddedPostgres(options)
      expect(await run(server, 'select * from kept')).toEqual([])
      await expect(openEmbeddedPostgres(options)).rejects.toMatchObject({ code: 'conflict' })
      expect((await readFile(path.join(closed, 'pg', 'data', 'PG_VERSION'), 'utf8')).trim()).toBe('18')
    },
  )
})
