import { mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parseReport, readReport } from './read-report.ts'
import { buildReport } from './testing.ts'
import { tryDirectory, writeReport } from './write-report.ts'

async function openDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'muster-report-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

function refusalOf(text: string): unknown {
  try {
    return parseReport(text)
  } catch (error) {
    return error
  }
}

test('what was written is read again, from its file or its directory', async () => {
  const report = buildReport({ minutes: 1, devices: 100, failed: true })
  const directory = join(await openDirectory(), 'runs/today')
  const { json, html } = await writeReport(directory, report)
  expect([json, html]).toEqual([join(directory, 'report.json'), join(directory, 'report.html')])
  const read = await readReport(json)
  expect({ ...read, latencies: {}, timeline: [] }).toEqual({ ...report, latencies: {}, timeline: [] })
  expect(read.latencies.publish?.percentiles.p99).toBeCloseTo(report.latencies.publish?.percentiles.p99 ?? 0, 1)
  expect(await readReport(directory)).toEqual(read)
})

test('a report that cannot be written leaves the one before whole, and no draft', async () => {
  const directory = await openDirectory()
  const { json } = await writeReport(directory, buildReport({ minutes: 1, devices: 10 }))
  const before = await readFile(json, 'utf8')
  // Nothing takes the place of a directory.
  await rm(join(directory, 'report.html'))
  await mkdir(join(directory, 'report.html/taken'), { recursive: true })
  await expect(writeReport(directory, buildReport({ minutes: 1, devices: 10 }))).rejects.toThrow()
  expect((await readdir(directory)).sort()).toEqual(['report.html', 'report.json'])
  expect(await readFile(json, 'utf8')).toBe(before)
})

test('a place for a report is tried before there is one, and left as it was', async () => {
  const directory = join(await openDirectory(), 'new')
  await tryDirectory(directory)
  expect(await readdir(directory)).toEqual([])
  await writeFile(join(directory, 'file'), '')
  await expect(tryDirectory(join(directory, 'file'))).rejects.toMatchObject({ code: 'EEXIST' })
  // Somewhere that is there, and where nothing can be made.
  await expect(tryDirectory('/proc/self')).rejects.toMatchObject({ code: expect.any(String) })
})

const written = () => JSON.parse(JSON.stringify(buildReport({ minutes: 1, devices: 10 })))

test.each([
  ['no JSON', 'the report is not JSON', '{"version":1'],
  ['something else', 'the report has no version, so it is none', '[]'],
  ['a later version', 'the report is of version 2; this program reads version 1', '{"version":2}'],
  ['a field more', 'Unrecognized key', JSON.stringify({ ...written(), more: 1 })],
  ['a field less', 'totals: ', JSON.stringify({ ...written(), totals: undefined })],
  ['a number that is none', 'elapsedMs: ', JSON.stringify({ ...written(), elapsedMs: '5' })],
  ['too large a number', 'elapsedMs: ', JSON.stringify(written()).replace(/"elapsedMs":\d+/, '"elapsedMs":1e999')],
  [
    'less than nothing',
    'totals.enrolled: ',
    JSON.stringify({ ...written(), totals: { ...written().totals, enrolled: -1 } }),
  ],
  ['a text without end', 'run: ', JSON.stringify({ ...written(), run: 'x'.repeat(10_001) })],
  [
    'a bucket that no time falls into',
    'latencies.publish.buckets.0.0: ',
    JSON.stringify(written()).replace(/("publish":\{"percentiles":\{[^}]*\},"buckets":\[\[)\d+/, '$19999999'),
  ],
])('%s is refused, and it is told why', (_, why, text) => {
  expect(refusalOf(text)).toMatchObject({ code: 'request-invalid', detail: expect.stringContaining(why) })
})

test('a file that is too large is not read at all', async () => {
  const path = join(await openDirectory(), 'report.json')
  await using file = await open(path, 'w')
  await file.truncate(300 * 1_024 ** 2)
  await expect(readReport(path)).rejects.toMatchObject({ code: 'request-invalid' })
})
