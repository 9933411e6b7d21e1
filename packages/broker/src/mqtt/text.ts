/**
 * Whether a UTF-8 string of a packet may be what it seems. [MQTT-1.5.4-1] [MQTT-1.5.4-2]
 * U+FFFD is what the parser puts where bytes were not UTF-8: two different topics would look the same.
 */
export function isCleanText(text: string): boolean {
  return !text.includes('\u0000') && !text.includes('\ufffd')
}
