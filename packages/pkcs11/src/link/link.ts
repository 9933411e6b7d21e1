import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import type { Reply, TokenAddress, TokenAnswers, TokenRequest } from '../token/messages.ts'
import { TokenError } from '../token/token-error.ts'

/** A process that holds the token open, for as long as nothing goes wrong with it. */
export interface Link extends AsyncDisposable {
  ask<Request extends TokenRequest>(request: Request, patienceMs: number): Promise<TokenAnswers[Request['what']]>
  /** Nothing more comes from it. */
  readonly over: boolean
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: TokenError): void
  timer: NodeJS.Timeout
}

export interface LinkOptions extends TokenAddress {
  /** How long an answer may take. */
  patienceMs: number
  /** What the vendor's library finds in its environment; absent: what is in ours. */
  env?: Readonly<Record<string, string>> | undefined
}

/** A process has to start, and a login may be slow. */
const openingMs = 15_000

/** @throws TokenError */
export async function openLink({ env, module, token, pin }: LinkOptions): Promise<Link> {
  const child = fork(new URL('../token/process.ts', import.meta.url), {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    ...(env && { env }),
  })
  const link = talkTo(child)
  try {
    await link.ask({ what: 'open', module, token, pin }, openingMs)
    return link
  } catch (error) {
    await link[Symbol.asyncDispose]()
    throw error
  }
}

function talkTo(child: ChildProcess): Link {
  const waiting = new Map<number, Waiting>()
  const ended = once(child, 'exit')
  let last = 0
  let over = false

  function settle(id: number): Waiting | undefined {
    const found = waiting.get(id)
    clearTimeout(found?.timer)
    waiting.delete(id)
    return found
  }

  /** What a library says once it has failed cannot be relied on; a new process starts it from nothing. */
  function end(error: TokenError): void {
    over = true
    child.kill('SIGKILL')
    for (const id of [...waiting.keys()]) settle(id)?.reject(error)
  }

  child.on('message', (reply: Reply) => {
    if (!('failure' in reply)) return settle(reply.id)?.resolve(reply.value)
    const { reason, detail, code } = reply.failure
    const error = new TokenError(reason, detail, code)
    settle(reply.id)?.reject(error)
    if (reason === 'away') end(error)
  })
  child.on('exit', () => end(new TokenError('away', 'the HSM does not answer', 'its library has ended the process')))
  child.on('error', () => end(new TokenError('away', 'the process for the HSM cannot be started')))

  return {
    get over() {
      return over
    },
    ask: (request, patienceMs) =>
      new Promise((resolve, reject) => {
        const id = ++last
        const giveUp = () => end(new TokenError('silent', 'the HSM does not answer', `waited ${patienceMs} ms`))
        waiting.set(id, { resolve: resolve as Waiting['resolve'], reject, timer: setTimeout(giveUp, patienceMs) })
        if (!over && child.connected) child.send({ id, request }, (error) => error && gone(id))
        else gone(id)
      }),
    async [Symbol.asyncDispose]() {
      end(new TokenError('away', 'the key store is closed'))
      if (child.pid !== undefined) await ended
    },
  }

  function gone(id: number): void {
    settle(id)?.reject(new TokenError('away', 'the HSM does not answer'))
  }
}
