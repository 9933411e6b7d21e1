import type { Page } from 'playwright-core'

// What runs in the page is text: its types are the browser's, and not those of the programs here.

/** Every box that is not wholly on the screen; tables scroll by themselves, and names of phases are cut. */
export const findOverflow = (page: Page): Promise<string[]> =>
  page.evaluate(`(() => {
    const width = document.documentElement.clientWidth
    const all = [...document.body.querySelectorAll('*')].filter((one) => !one.closest('table, .strip, script'))
    const wide = all.filter((one) => {
      const box = one.getBoundingClientRect()
      return box.width > 0 && (box.left < -0.5 || box.right > width + 0.5)
    })
    const held = [...document.querySelectorAll('table')].filter((one) => getComputedStyle(one.parentElement).overflowX !== 'auto')
    const named = [...wide, ...held].map((one) => one.tagName + ' ' + one.getAttribute('class') + ': ' + one.textContent.slice(0, 40))
    return document.documentElement.scrollWidth > width ? ['the page itself', ...named] : named
  })()`)

/** Every text whose contrast to what is behind it is below 4.5, as WCAG 2.2 computes it; and how many texts there are. */
export const findFaint = (page: Page): Promise<{ faint: string[]; count: number }> =>
  page.evaluate(`(() => {
    const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
    const known = new Map()
    const read = (css) => {
      if (!known.has(css)) {
        canvas.clearRect(0, 0, 1, 1)
        canvas.fillStyle = css
        canvas.fillRect(0, 0, 1, 1)
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data
        known.set(css, [r, g, b, a / 255])
      }
      return known.get(css)
    }
    const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1]
    const luminance = (colour) => {
      const [r, g, b] = colour.slice(0, 3).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4))
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const behind = (one) => {
      // Phases lie on a band that is drawn, not on a background.
      const band = one.closest('.strip') && one.parentElement.querySelector(':scope > rect')
      if (band) return read(getComputedStyle(band).fill)
      const own = read(getComputedStyle(one).backgroundColor)
      if (own[3] === 1) return own
      return over(own, one.parentElement ? behind(one.parentElement) : [255, 255, 255, 1])
    }
    const texts = [...document.body.querySelectorAll('*')].filter((one) => {
      const hasText = [...one.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim())
      return hasText && !one.matches('script') && getComputedStyle(one).visibility === 'visible' && one.getClientRects().length > 0
    })
    const faint = texts.flatMap((one) => {
      const style = getComputedStyle(one)
      const background = behind(one)
      const colour = over(read(one instanceof SVGElement ? style.fill : style.color), background)
      const [light, dark] = [luminance(colour), luminance(background)].sort((a, b) => b - a)
      const contrast = (light + 0.05) / (dark + 0.05)
      return contrast < 4.5 ? [contrast.toFixed(2) + ' ' + one.tagName + ' ' + one.textContent.slice(0, 40)] : []
    })
    return { faint, count: texts.length }
  })()`)

/** What somebody would do who has got something into the page: ask another host, run a script, load a picture. */
export const tryToEscape = (page: Page): Promise<{ fetched: boolean; wasRun: boolean; violated: string[] }> =>
  page.evaluate(`(async () => {
    const violated = []
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => violated.push(effectiveDirective))
    const fetched = await fetch('https://localhost:9/').then(() => true, () => false)
    const script = document.createElement('script')
    script.textContent = 'window.wasRun = true'
    document.body.append(script)
    const image = new Image()
    const failed = new Promise((resolve) => image.addEventListener('error', resolve))
    image.src = 'https://localhost:9/x.png'
    await failed
    return { fetched, wasRun: 'wasRun' in window, violated }
  })()`)
