import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { renderComparison, renderReport } from '@muster/device-sim'
import { buildReport } from '@muster/device-sim/testing'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { chromiumOptions } from '../harness/chromium.ts'

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

const pages = {
  passed: () => renderReport(buildReport()),
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

/** Every box that is not wholly on the screen; tables scroll by themselves, and names of phases are cut. */
const findOverflow = (page: Page) =>
  page.evaluate(() => {
    const width = document.documentElement.clientWidth
    const all = [...document.body.querySelectorAll('*')].filter((one) => !one.closest('table, .strip, script'))
    const wide = all.filter((one) => {
      const box = one.getBoundingClientRect()
      return box.width > 0 && (box.left < -0.5 || box.right > width + 0.5)
    })
    const tables = [...document.querySelectorAll('table')].filter((table) => {
      const { overflowX } = getComputedStyle(table.parentElement ?? table)
      return overflowX !== 'auto'
    })
    const named = [...wide, ...tables].map(
      (one) => `${one.tagName} ${one.getAttribute('class')}: ${one.textContent.slice(0, 40)}`,
    )
    return document.documentElement.scrollWidth > width ? ['the page itself', ...named] : named
  })

/** Every text whose contrast to what is behind it is below 4.5, as WCAG 2.2 computes it. */
const findFaint = (page: Page) =>
  page.evaluate(() => {
    type Colour = [number, number, number, number]
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
    const read = (css: string): Colour => {
      if (!canvas) throw new Error('no canvas')
      canvas.clearRect(0, 0, 1, 1)
      canvas.fillStyle = css
      canvas.fillRect(0, 0, 1, 1)
      const [r = 0, g = 0, b = 0, a = 0] = canvas.getImageData(0, 0, 1, 1).data
      return [r, g, b, a / 255]
    }
    const over = ([r, g, b, a]: Colour, [x, y, z]: Colour): Colour => [
      r * a + x * (1 - a),
      g * a + y * (1 - a),
      b * a + z * (1 - a),
      1,
    ]
    const luminance = ([r, g, b]: Colour) => {
      const linear = [r, g, b].map((part) =>
        part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4,
      )
      return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0)
    }
    const behind = (element: Element): Colour => {
      const own = read(getComputedStyle(element).backgroundColor)
      const band = element.closest('.strip') && element.parentElement?.querySelector(':scope > rect')
      if (element.matches('svg text') && band) return read(getComputedStyle(band).fill)
      if (own[3] === 1) return own
      return over(own, element.parentElement ? behind(element.parentElement) : [255, 255, 255, 1])
    }
    const texts = [...document.body.querySelectorAll('*')].filter((one) => {
      const hasText = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim())
      return (
        hasText &&
        !one.matches('script') &&
        getComputedStyle(one).visibility === 'visible' &&
        one.getClientRects().length > 0
      )
    })
    const faint = texts.flatMap((one) => {
      const style = getComputedStyle(one)
      const background = behind(one)
      const colour = over(read(one instanceof SVGElement ? style.fill : style.color), background)
      const [light = 0, dark = 0] = [luminance(colour), luminance(background)].sort((a, b) => b - a)
      const contrast = (light + 0.05) / (dark + 0.05)
      return contrast < 4.5 ? [`${contrast.toFixed(2)} ${one.tagName} ${one.textContent.slice(0, 40)}`] : []
    })
    return { faint, count: texts.length }
  })

test.each(Object.entries(pages))(
  'the page (%s) can be read on a screen and on a phone, by day and by night',
  async (name, render) => {
    const html = render()
    for (const width of [1_280, 375, 360]) {
      for (const colorScheme of ['light', 'dark'] as const) {
        const { page, problems } = await openPage(html, { viewport: { width, height: 800 }, colorScheme })
        const { faint, count } = await findFaint(page)
        expect(count).toBeGreaterThan(100)
        expect(faint).toEqual([])
        expect(await findOverflow(page)).toEqual([])
        expect(problems).toEqual([])
        const directory = process.env.MUSTER_SCREENSHOTS
        if (directory)
          await page.screenshot({ path: join(directory, `${name}-${width}-${colorScheme}.png`), fullPage: true })
        await page.close()
      }
    }
  },
)

test('every part is there, under a heading, with its tables and charts named', async () => {
  const { page } = await openPage(pages.failed())
  expect(await page.locator('h2').allTextContents()).toEqual([
    'Invariants',
    'Objectives',
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
  const { page, problems } = await openPage(pages.passed(), { javaScriptEnabled: false })
  await page.locator('#verdict').waitFor()
  expect(await page.locator('#download').isVisible()).toBe(false)
  const lines = page.locator('.timeline path.line.one')
  expect(await lines.count()).toBeGreaterThan(8)
  for (const line of await lines.all()) expect(await line.getAttribute('d')).toMatch(/^M\d/)
  expect(problems).toEqual([])
})

test('the pointer reads all timelines at one time, and the report can be saved', async () => {
  const { page, problems } = await openPage(pages.passed())
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
  const { page } = await openPage(pages.passed())
  const blocked = await page.evaluate(async () => {
    const violated: string[] = []
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => violated.push(effectiveDirective))
    const refused = await fetch('https://localhost:9/').then(
      () => 'sent',
      () => 'refused',
    )
    const script = document.createElement('script')
    script.textContent = 'window.wasRun = true'
    document.body.append(script)
    const image = new Image()
    const failed = new Promise((resolve) => image.addEventListener('error', resolve))
    image.src = 'https://localhost:9/x.png'
    await failed
    return { refused, wasRun: 'wasRun' in window, violated }
  })
  expect(blocked).toMatchObject({ refused: 'refused', wasRun: false })
  expect(new Set(blocked.violated)).toEqual(new Set(['connect-src', 'script-src-elem', 'img-src']))
})

test('on paper it is black on white, and complete', async () => {
  const { page } = await openPage(pages.passed(), { colorScheme: 'dark' })
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  expect((await findFaint(page)).faint).toEqual([])
  expect(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).toBe(
    'rgb(253, 252, 250)',
  )
  const whole = await page.evaluate(() => {
    const pre = document.querySelector('pre')
    return pre !== null && pre.scrollHeight <= pre.clientHeight + 1
  })
  expect(whole).toBe(true)
  expect((await page.pdf()).length).toBeGreaterThan(10_000)
})
