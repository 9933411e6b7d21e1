import { styleText } from 'node:util'

type Style = 'good' | 'bad' | 'dim' | 'bold' | 'warn'
export type Paint = (style: Style, text: string) => string

const styles = { good: 'green', bad: 'red', dim: 'dim', bold: 'bold', warn: 'yellow' } as const

/** `styleText` knows NO_COLOR, FORCE_COLOR, and what the terminal can do. */
export function createPaint(stream: NodeJS.WritableStream, paints = true): Paint {
  return (style, text) => (paints ? styleText(styles[style], text, { stream }) : text)
}
