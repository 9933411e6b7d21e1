import { stripVTControlCharacters } from 'node:util'

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u
const none = /\p{Mn}/u

const widthOf = (character: string) => (none.test(character) ? 0 : wide.test(character) ? 2 : 1)

/** How many columns of a terminal a text takes; colours take none. */
export function columnsOf(text: string): number {
  return [...stripVTControlCharacters(text)].reduce((sum, character) => sum + widthOf(character), 0)
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: what colours are made of
const colour = /(\x1b\[[\d;]*m)/

/** As much of it as fits, and its colours to the end, so that none runs on. */
export function cutTo(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text
  let left = Math.max(0, columns - 1)
  let isFull = false
  const parts = text.split(colour).map((part, index) => {
    if (index % 2 === 1) return part
    let kept = ''
    for (const character of part) {
      const width = widthOf(character)
      if (width > left) isFull = true
      if (isFull) break
      left -= width
      kept += character
    }
    return kept
  })
  return `${parts.join('')}…`
}

export function padTo(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - columnsOf(text)))
}
