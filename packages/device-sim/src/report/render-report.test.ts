import { hash } from 'node:crypto'
import { expect, test } from 'vitest'
import { renderReport } from './render-report.ts'
import { buildReport } from './testing.ts'

/** The page as elements and texts, by a reader that knows what ends a script: enough to see what a text has become. */
function readPage(page: string) {
  const scripts = [...page.matchAll(/<script([^>]*)>(.*?)<\/script/gs)].map(([, attributes = '', text = '']) => ({
    attributes,
    text,
  }))
  const rest = page.replace(/<(script|style)[^>]*>.*?<\/\1>/gs, '')
  const tags = [...rest.matchAll(/<\/?([a-z0-9!-]+)((?:[^>"]|"[^"]*")*)>/gi)].map(([, name = '', attributes = '']) => ({
    name,
    attributes,
  }))
  const text = rest
    .replace(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
  return { scripts, tags, text, rest }
}

const attack = `</script></pre></title><img src=x onerror="alert(1)"><svg/onload='alert(2)'>"'&\u202e\u0000<!--`

test('the verdict comes first, and says why', () => {
  const { text } = readPage(renderReport(buildReport({ failed: true })))
  expect(text.indexOf('Failed')).toBeLessThan(text.indexOf('Invariants'))
  expect(text).toContain('6 of 7 invariants held')
  expect(text).toContain('The invariant no-bricked-device was violated 3 times.')
})

test('all that a run has to say is there', () => {
  const report = buildReport({ failed: true })
  const { text } = readPage(renderReport(report))
  const said = [
    ...report.invariants.flatMap((one) => [
      one.name,
      one.statement,
      ...one.examples.flatMap(({ device, what }) => [device, what.trim()]),
    ]),
    ...report.slos.flatMap((one) => [one.name, one.wanted, one.found]),
    ...report.reasons.map(({ reason }) => reason.split(':')[1]),
    ...report.processes.flatMap((one) => [one.name, one.host, String(one.pid)]),
    ...report.phases.map((one) => one.name),
    ...[
      report.machine.model,
      report.platform.url,
      report.scenario.yaml,
      report.run,
      '12 devices were not back in time',
      '0.03 %',
    ],
  ]
  for (const part of said) expect(text).toContain(part)
})

test('expected and unexpected errors stand apart', () => {
  const { text } = readPage(renderReport(buildReport({ failed: true })))
  const errors = text.slice(text.indexOf('Nothing in the scenario explains these'))
  const explained = errors.indexOf('A fault of the scenario')
  expect(errors.indexOf('ECONNRESET')).toBeLessThan(explained)
  expect(errors.indexOf('claim-expired')).toBeGreaterThan(explained)
})

test('every chart says in words what it shows', () => {
  const { tags } = readPage(renderReport(buildReport()))
  const charts = tags.filter(({ name, attributes }) => name === 'svg' && attributes.includes('role="img"'))
  expect(charts.length).toBe(4 + 6 + 6)
  for (const { attributes } of charts) expect(attributes).toMatch(/aria-label="[^"]*\d[^"]*"/)
})

test('a limit has its line in the histogram that it is about', () => {
  const page = renderReport(buildReport())
  expect(page.match(/<line class="limit"/g)).toHaveLength(1)
  expect(page).toMatch(/aria-label="Publish: [^"]*limit: p99 ≤ 250 ms/)
})

test('the report is in it, to be read again', () => {
  const report = buildReport({ text: attack })
  const { scripts } = readPage(renderReport(report))
  const embedded = JSON.parse(scripts.find(({ attributes }) => attributes.includes('id="report"'))?.text ?? '')
  expect(embedded.scenario).toEqual(report.scenario)
  expect(embedded.timeline).toHaveLength(report.timeline.length)
  expect(embedded.totals).toEqual(report.totals)
})

test('what devices and files say is text, whatever it says', () => {
  const harmless = readPage(renderReport(buildReport({ failed: true, text: 'x' })))
  const attacked = readPage(renderReport(buildReport({ failed: true, text: attack })))
  expect(attacked.tags.map(({ name }) => name)).toEqual(harmless.tags.map(({ name }) => name))
  expect(attacked.scripts).toHaveLength(harmless.scripts.length)
  for (const { attributes } of attacked.tags) expect(attributes.replace(/"[^"]*"/g, '')).not.toMatch(/onerror|onload/)
  expect(attacked.text).toContain('onerror="alert(1)"')
  for (const unseen of ['\u202e', '\0']) expect(attacked.rest).not.toContain(unseen)
})

test('its policy lets nothing in and runs only what it was written with', () => {
  const page = renderReport(buildReport())
  const policy = page.match(/http-equiv="Content-Security-Policy" content="([^"]*)"/)?.[1] ?? ''
  const allowed = (what: string) => `'sha256-${hash('sha256', what, 'base64')}'`
  const [, style = ''] = page.match(/<style>(.*?)<\/style>/s) ?? []
  const [, script = ''] = page.match(/<script>(.*?)<\/script>/s) ?? []
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    `style-src ${allowed(style)}`,
    `script-src ${allowed(script)}`,
    "base-uri 'none'",
    "form-action 'none'",
  ])
  expect(page).not.toMatch(/ style=|@import|url\(|src=|href="(?!#)/)
})

test('ten minutes by the second stay below 1 MB, and half a day can be drawn', () => {
  expect(renderReport(buildReport({ minutes: 10 })).length).toBeLessThan(1_000_000)
  const { rest } = readPage(renderReport(buildReport({ minutes: 12 * 60, devices: 100 })))
  expect(rest.length).toBeLessThan(400_000)
})

test('a run that broke off before anything was measured has a page, too', () => {
  const report = buildReport({ failed: true })
  const page = renderReport({
    ...report,
    timeline: [],
    latencies: {},
    phases: [],
    invariants: [],
    slos: [],
    processes: [],
    reasons: [],
    elapsedMs: 0,
    verdict: { passed: false, reasons: [] },
  })
  expect(page).toContain('Failed')
  expect(page).toContain('No reason was given.')
  expect(page).not.toMatch(/NaN|Infinity|undefined/)
})

test('odd times and counts are drawn somewhere', () => {
  const report = buildReport({ minutes: 1, devices: 3 })
  const page = renderReport({
    ...report,
    startedAt: Number.MAX_SAFE_INTEGER,
    latencies: { publish: { percentiles: { count: 1, p50: 0, p90: 0, p99: 0, max: 0 }, buckets: [[0, 1]] } },
  })
  expect(readPage(page).rest).not.toMatch(/NaN|Infinity|undefined/)
})

test.each([
  ['held', { held: true, checked: 10, violations: 0 }],
  ['nothing to judge', { held: true, checked: 0, violations: 0 }],
  ['not judged', { held: false, checked: 0, violations: 0 }],
  ['violated', { held: false, checked: 10, violations: 1 }],
])('an invariant is said to be: %s', (word, found) => {
  const report = buildReport({ minutes: 1, devices: 10 })
  const [first] = report.invariants
  if (!first) throw new Error('there is none')
  const { text } = readPage(renderReport({ ...report, invariants: [{ ...first, ...found }] }))
  const section = text.slice(text.indexOf(first.name), text.indexOf(first.statement))
  expect(section.replace(/^[^✓✕–]*. /, '').trim()).toBe(word)
})
