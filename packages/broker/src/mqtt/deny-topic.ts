import { type ErrorCode, MusterError } from '@muster/contracts'

/** Enough to tell a topic by, in an answer and on record. */
const topicChars = 160

/** Names the topic beside the rule: without it nobody can act on a refusal. */
export function denyTopic(code: ErrorCode, topic: string, why: string): MusterError {
  return new MusterError(code, `${topic.length > topicChars ? `${topic.slice(0, topicChars)}…` : topic}: ${why}`)
}
