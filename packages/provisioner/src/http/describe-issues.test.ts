import { Policy } from '@muster/contracts'
import { expect, test } from 'vitest'
import { describeIssues } from './describe-issues.ts'

const issuesOf = (document: unknown) => describeIssues(Policy.safeParse(document).error?.issues ?? [])
const rule = (more: object) => ({ name: 'p', allow: [{ subscribe: ['a'] }, more] })

test.each([
  [rule({ publish: ['a/b#'] }), '/allow/1/publish/0', 'is not a topic filter'],
  [rule({ publish: ['a/${host}'] }), '/allow/1/publish/0', 'knows only the variables'],
  [rule({ publish: ['a'], qos: 3 }), '/allow/1/qos', ''],
  [rule({ publish: ['a'], payload: '5XB' }), '/allow/1/payload', 'must be like 512B'],
  [rule({ subscribe: ['$SYS/#'] }), '/allow/1/subscribe/0', '$-topics are closed'],
  [rule({ subscribe: ['a'], retain: true }), '/allow/1', 'retain'],
  [{ ...rule({ publish: ['a'] }), deny: [{ publish: ['+x'] }] }, '/deny/0/publish/0', 'is not a topic filter'],
  [{ ...rule({ publish: ['a'] }), limits: { subscriptions: -1 } }, '/limits/subscriptions', ''],
  [{ ...rule({ publish: ['a'] }), limits: { bytesPerSecond: '9GiB' } }, '/limits/bytesPerSecond', 'must be like'],
  [{ ...rule({ publish: ['a'] }), name: 'No' }, '/name', 'must match'],
])('%j', (document, pointer, detail) => {
  const found = issuesOf(document)
  expect(found.map((issue) => issue.pointer)).toEqual([pointer])
  expect(found[0]?.detail).toContain(detail)
})
