import { chromium } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chromiumOptions } from '../harness/chromium.ts'
import { type Stack, startStack } from '../harness/stack.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

test('the page of the API shows every operation and asks nobody else for anything', async () => {
  const browser = await chromium.launch(chromiumOptions)
  try {
    const context = await browser.newContext({ ignoreHTTPSErrors: true })
    const page = await context.newPage()
    const foreign: string[] = []
    const problems: string[] = []
    page.on('request', (request) => {
      if (!request.url().startsWith(`https://localhost:${stack.ports.api}/`) && !request.url().startsWith('data:'))
        foreign.push(request.url())
    })
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text())
    })
    await page.goto(`https://localhost:${stack.ports.api}/docs`)
    await page.getByText('/v1/enrol', { exact: true }).first().waitFor()
    const { paths } = (await stack.api('/openapi.json')).json as { paths: Record<string, object> }
    const operations = Object.values(paths).flatMap((path) => Object.keys(path)).length
    expect(await page.locator('.opblock').count()).toBe(operations)
    expect(foreign).toEqual([])
    expect(problems).toEqual([])
    if (process.env.MUSTER_SCREENSHOT) await page.screenshot({ path: process.env.MUSTER_SCREENSHOT })
  } finally {
    await browser.close()
  }
})
