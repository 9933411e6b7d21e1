import { measure } from './measure.ts'

/** What a command came to; an answer is always given, so that the sender does not wait for nothing. */
export async function answer(command: string, payload: Buffer): Promise<object> {
  if (command === 'measure') return { status: 'done', reading: await measure() }
  if (command === 'echo') return { status: 'done', echo: payload.toString('utf8', 0, 1_024) }
  return { status: 'unknown', detail: 'the commands are measure and echo' }
}
