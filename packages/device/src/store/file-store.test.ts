import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKey } from '@muster/pki'
import { poolKey } from '@muster/pki/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { enrol } from '../enrol.ts'
import { openTestDirectory } from '../testing/directory.ts'
import { startTestProvisioner } from '../testing/provisioner.ts'
import { openStore } from './file-store.ts'

let path: string
beforeEach(async () => {
  const directory = await openTestDirectory()
  path = join(directory.path, 'deep/store')
  return () => directory[Symbol.asyncDispose]()
})

const modeOf = async (name: string) => ((await stat(join(path, name))).mode & 0o777).toString(8)

async function enrolled() {
  await using server = await startTestProvisioner()
  const store = await openStore(path)
  await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
  return store
}

describe('works', () => {
  test('directory and key are for their owner only, whatever the umask', async () => {
    const before = process.umask(0)
    try {
      await enrolled()
    } finally {
      process.umask(before)
    }
    expect(await modeOf('.')).toBe('700')
    expect(await modeOf('key.pem')).toBe('600')
  })

  test('another process finds the same key and enrolment', async () => {
    const store = await enrolled()
    const again = await openStore(path)
    expect((await again.loadKey())?.equals((await store.loadKey()) ?? (await generateKey()))).toBe(true)
    expect(await again.loadEnrolment()).toEqual(await store.loadEnrolment())
  })

  test('OpenSSL can use the files', async () => {
    await enrolled()
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: path, encoding: 'utf8', stdio: 'pipe' })
    const chain = ['-CAfile', 'roots.pem', '-untrusted', 'certificate.pem', 'certificate.pem']
    expect(openssl('verify', '-x509_strict', '-purpose', 'sslclient', ...chain)).toContain('OK')
    expect(openssl('pkey', '-in', 'key.pem', '-pubout')).toBe(
      openssl('x509', '-in', 'certificate.pem', '-noout', '-pubkey'),
    )
  })

  test('the files for other programs are made again from the one that counts', async () => {
    await enrolled()
    const certificate = await readFile(join(path, 'certificate.pem'), 'utf8')
    await writeFile(join(path, 'certificate.pem'), certificate.slice(0, 99))
    await rm(join(path, 'roots.pem'))
    await openStore(path)
    expect(await readFile(join(path, 'certificate.pem'), 'utf8')).toBe(certificate)
    expect(await readFile(join(path, 'roots.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
  })

  test('drafts of the dead are removed, drafts of the living and other files stay', async () => {
    await mkdir(path, { recursive: true })
    const draft = (pid: number) => `.key.pem.${pid}.${'0'.repeat(12)}.tmp`
    const dead = Number(execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }))
    for (const name of [draft(dead), draft(process.pid), draft(process.ppid), 'notes.txt'])
      await writeFile(join(path, name), '')
    await openStore(path)
    expect((await readdir(path)).sort()).toEqual([draft(process.ppid), 'notes.txt'])
  })
})

describe('rejects', () => {
  test.each([0o640, 0o604, 0o620])('a key of mode %o', async (mode) => {
    await enrolled()
    await chmod(join(path, 'key.pem'), mode)
    await expect(openStore(path)).rejects.toMatchObject({ code: 'forbidden' })
  })

  test.each([
    ['a key that is none', 'key.pem', '-----BEGIN PRIVATE KEY-----\n'],
    ['an enrolment that is none', 'enrolment.json', '{"version":1}'],
    ['an enrolment that is cut off', 'enrolment.json', '{"version":1,'],
  ])('%s', async (_, name, content) => {
    await enrolled()
    await writeFile(join(path, name), content)
    await expect(openStore(path)).rejects.toMatchObject({ code: 'internal' })
  })

  test('a key and a certificate that do not belong together', async () => {
    const store = await enrolled()
    const other = (await poolKey()).export({ type: 'pkcs8', format: 'pem' })
    await writeFile(join(path, 'key.pem'), other)
    await expect(openStore(path)).rejects.toMatchObject({ code: 'internal' })
    await rm(join(path, 'key.pem'))
    await expect(store.loadEnrolment()).rejects.toMatchObject({ code: 'internal' })
  })
})

describe('is safe', () => {
  test('of twenty keys added at once by several stores, all go on with one', async () => {
    const stores = await Promise.all([openStore(path), openStore(path), openStore(path), openStore(path)])
    const keys = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const store = stores[index % stores.length]
        return store?.addKey(await generateKey())
      }),
    )
    const pems = keys.map((key) => key?.export({ type: 'pkcs8', format: 'pem' }))
    expect(new Set(pems).size).toBe(1)
    expect(await readdir(path)).toEqual(['key.pem'])
  })

  test('neither the key nor the enrolment shows in an error', async () => {
    await mkdir(path, { recursive: true })
    await writeFile(join(path, 'key.pem'), 'SECRET', { mode: 0o600 })
    const error = await openStore(path).catch((thrown: Error) => thrown)
    expect(JSON.stringify(error) + String(error)).not.toContain('SECRET')
  })
})
