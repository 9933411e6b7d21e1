import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { renderComparison, renderReport } from '@muster/device-sim'
import { buildReport } from '@muster/device-sim/testing'
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { chromiumOptions } from '../harness/chromium.ts'
import { findFaint, findOverflow, tryToEscape } from './examine-page.ts'

let browser: Browser
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-report-'))
  browser = await chromium.launch(chromiumOptions)
})
afterAll(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

const passed = () => renderReport(buildReport())
const pages = {
  failed: () => renderReport(buildReport({ failed: true })),
  comparison: () => renderComparison(buildReport(), buildReport({ seed: 9, slower: 1.6, failed: true, minutes: 9 })),
}

/** Opened from a file; `problems` hears of every request, dialog, and message of the console. */
async function openPage(html: string, options: BrowserContextOptions = {}) {
  const file = join(await mkdtemp(join(folder, 'page-')), 'report.html')
  await writeFile(file, html)
  const url = pathToFileURL(file).href
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options })
  onTestFinished(() => context.close())
  const page = await context.newPage()
  const problems: string[] = []
  page.on('request', (request) => void (request.url() !== url && problems.push(request.url())))
  page.on('console', (message) => problems.push(message.text()))
  page.on('pageerror', (error) => problems.push(error.message))
  page.on('dialog', (dialog) => {
    problems.push(dialog.message())
    return dialog.dismiss()
  })
  await page.goto(url)
  return { page, problems }
}

test.each(Object.entries(pages))(
  'the page (%s) can be read on a screen and on a phone, by day and by night',
  async (name, render) => {
    const { page, problems } = await openPage(render())
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const { faint, count } = await findFaint(page)
      expect(count).toBeGreaterThan(100)
      expect(faint).toEqual([])
      for (const width of [1_280, 375, 360]) {
        await page.setViewportSize({ width, height: 800 })
        expect(await findOverflow(page)).toEqual([])
        const directory = process.env.MUSTER_SCREENSHOTS
        const path = join(directory ?? '', `${name}-${width}-${colorScheme}.png`)
        if (directory) await page.screenshot({ path, fullPage: true })
      }
    }
    expect(problems).toEqual([])
  },
)

test('every part is there, under a heading, with its tables and charts named', async () => {
  const { page } = await openPage(pages.failed())
  expect(await page.locator('h2').allTextContents()).toEqual([
    'Invariants',
    'Limits',
    'Course of the run',
    'Latencies',
    'Errors',
    'Devices',
    'Processes',
    'Scenario',
    'Data',
  ])
  expect(await page.locator('h1').count()).toBe(1)
  for (const link of await page.locator('nav a').all()) {
    const target = page.locator((await link.getAttribute('href')) ?? '')
    expect(await target.locator('h2').textContent()).toBe(await link.textContent())
  }
  const tables = await page.locator('table').count()
  expect(tables).toBeGreaterThan(6)
  expect(await page.locator('table:has(caption):has(thead th[scope=col]):has(tbody th[scope=row])').count()).toBe(
    tables,
  )
  const charts = page.getByRole('img')
  expect(await charts.count()).toBe(16)
  for (const chart of await charts.all()) expect(await chart.getAttribute('aria-label')).toMatch(/\d/)
  expect(await page.locator('#verdict').textContent()).toContain(
    'The invariant no-bricked-device was violated 3 times.',
  )
})

test('it is whole without JavaScript', async () => {
  const { page, problems } = await openPage(passed(), { javaScriptEnabled: false })
  await page.locator('#verdict').waitFor()
  expect(await page.locator('#download').isVisible()).toBe(false)
  const lines = page.locator('.timeline path.line.one')
  expect(await lines.count()).toBeGreaterThan(8)
  for (const line of await lines.all()) expect(await line.getAttribute('d')).toMatch(/^M\d/)
  expect(problems).toEqual([])
})

test('the pointer reads all timelines at one time, and the report can be saved', async () => {
  const { page, problems } = await openPage(passed())
  const figure = page.locator('#devices-over-time')
  const plot = figure.locator('.plot')
  await plot.scrollIntoViewIfNeeded()
  const box = await plot.boundingBox()
  if (!box) throw new Error('the plot is not there')
  await page.mouse.move(box.x + box.width / 2, box.y + 40)
  expect(await figure.locator('.legend').textContent()).toMatch(/connected [\d,]+ at 5:00.*enrolled 9,800 at 5:00/)
  expect(await page.locator('#publish-over-time .legend').textContent()).toMatch(/p50 .* at 5:00/)
  await page.mouse.move(0, 0)
  expect(await figure.locator('.legend').textContent()).toMatch(/connected peak 9,800/)
  const [download] = await Promise.all([page.waitForEvent('download'), page.locator('#download').click()])
  expect(download.suggestedFilename()).toBe('report.json')
  const saved = JSON.parse(await readFile(await download.path(), 'utf8'))
  expect(saved.scenario).toEqual(buildReport().scenario)
  expect(problems.filter((problem) => !problem.startsWith('blob:'))).toEqual([])
})

test('names, reasons and texts from outside run nothing', async () => {
  const text = `</script></title></style><script>alert(1)</script><img src="https://example.com/x" onerror=alert(2)><a href="javascript:alert(3)">"'`
  const report = buildReport({ failed: true, text })
  for (const html of [renderReport(report), renderComparison(report, buildReport({ text, seed: 2 }))]) {
    const { page, problems } = await openPage(html)
    expect(await page.locator('img, a[href^=javascript]').count()).toBe(0)
    expect(await page.locator('script:not([type])').count()).toBe(1)
    expect(await page.locator('h1, .verdict').first().textContent()).toBeTruthy()
    expect(problems).toEqual([])
  }
  const { page } = await openPage(renderReport(report))
  expect(await page.title()).toBe(`Failed: A working day${text}`)
  const embedded = JSON.parse((await page.locator('#report').textContent()) ?? '')
  expect(embedded.run).toBe(report.run)
})

test('the page may not ask anybody for anything, nor run what is put into it', async () => {
  const { page } = await openPage(passed())
  const blocked = await tryToEscape(page)
  expect(blocked).toMatchObject({ fetched: false, wasRun: false })
  expect(new Set(blocked.violated)).toEqual(new Set(['connect-src', 'script-src-elem', 'img-src']))
})

test('on paper it is black on white, and complete', async () => {
  const { page } = await openPage(passed(), { colorScheme: 'dark' })
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  expect((await findFaint(page)).faint).toEqual([])
  expect(await page.evaluate('getComputedStyle(document.documentElement).backgroundColor')).toBe('rgb(253, 252, 250)')
  expect(
    await page.evaluate(
      `(({ scrollHeight, clientHeight }) => scrollHeight - clientHeight)(document.querySelector('pre'))`,
    ),
  ).toBe(0)
  expect((await page.pdf()).length).toBeGreaterThan(10_000)
})
