import { randomUUID } from 'node:crypto'
import type { Answer, Question } from './letter.ts'
import { type Mail, overdueMs } from './mail.ts'

/** Questions to other nodes that wait for their answers. */
export interface Questions {
  /** `undefined`: it has not answered for so long that nobody waits any more. @throws when it cannot be asked */
  ask(node: string, question: Omit<Question, 'kind' | 'id'>): Promise<Answer | undefined>
  /** What is known of an answer when `waitMs` are over; a node that has been silent for so long is not waited for again before it is heard of. */
  soon(node: string, answer: Promise<Answer | undefined>): Promise<Answer | 'late' | undefined>
  answered(node: string, answer: Answer): void
  heard(node: string): void
}

export function createQuestions({ mail, waitMs }: { mail: Pick<Mail, 'post'>; waitMs: number }): Questions {
  const waiting = new Map<string, { node: string; settle(answer?: Answer): void }>()
  const silent = new Set<string>()
  const heardAt = new Map<string, number>()

  return {
    async ask(node, question) {
      const id = randomUUID()
      const answer = Promise.withResolvers<Answer | undefined>()
      const giveUp = setTimeout(() => answer.resolve(undefined), overdueMs)
      giveUp.unref()
      waiting.set(id, { node, settle: answer.resolve })
      try {
        await mail.post(node, { kind: 'question', id, ...question } satisfies Question)
        return await answer.promise
      } finally {
        clearTimeout(giveUp)
        waiting.delete(id)
      }
    },

    async soon(node, answer) {
      if (silent.has(node)) return 'late'
      const askedAt = performance.now()
      const late = Promise.withResolvers<'late'>()
      const timer = setTimeout(() => {
        if ((heardAt.get(node) ?? 0) < askedAt) silent.add(node)
        late.resolve('late')
      }, waitMs)
      try {
        return await Promise.race([answer, late.promise])
      } finally {
        clearTimeout(timer)
      }
    },

    answered(node, answer) {
      const question = waiting.get(answer.to)
      if (question?.node === node) question.settle(answer)
    },

    heard(node) {
      heardAt.set(node, performance.now())
      silent.delete(node)
    },
  }
}
