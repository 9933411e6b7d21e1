import type { TokenAnswers, TokenRequest } from '../token/messages.ts'
import { TokenError } from '../token/token-error.ts'
import { type Link, type LinkOptions, openLink } from './link.ts'

export interface KeptLink extends AsyncDisposable {
  /** Now, and not when it is needed. */
  open(): Promise<void>
  ask<Request extends TokenRequest>(request: Request, patienceMs?: number): Promise<TokenAnswers[Request['what']]>
}

export interface KeepOptions extends LinkOptions {
  /** The token was there and is not any more. */
  onLost?: ((error: TokenError) => void) | undefined
  onFound?: (() => void) | undefined
}

/** Between two attempts to reach a token that is away. */
const pauseMs = 1_000

/** One link at a time, opened again when it is needed after the token was away. */
export function keepLink({ onLost, onFound, ...options }: KeepOptions): KeptLink {
  let link: Link | undefined
  let opening: Promise<Link> | undefined
  let failure: { error: TokenError; until: number } | undefined
  let state: 'new' | 'found' | 'lost' = 'new'
  let closed = false

  async function reach(): Promise<Link> {
    if (closed) throw new TokenError('away', 'the key store is closed')
    if (link && !link.over) return link
    if (failure && performance.now() < failure.until) throw failure.error
    opening ??= open().finally(() => {
      opening = undefined
    })
    link = await opening
    return link
  }

  async function open(): Promise<Link> {
    try {
      const opened = await openLink(options)
      failure = undefined
      if (state === 'lost') onFound?.()
      state = 'found'
      return opened
    } catch (error) {
      if (!(error instanceof TokenError)) throw error
      // A PIN that was refused is never tried again: a few more would lock the token.
      const until = error.reason === 'pin-refused' ? Number.POSITIVE_INFINITY : performance.now() + pauseMs
      failure = { error, until }
      throw error
    }
  }

  /** By a library that starts from nothing: one that has lost its token may go on and see an empty one. */
  async function askAnew<Request extends TokenRequest>(request: Request, patienceMs: number) {
    await reach()
    await using anew = await open()
    return await anew.ask(request, patienceMs)
  }

  async function askTwice<Request extends TokenRequest>(request: Request, patienceMs: number) {
    const first = await reach()
    try {
      return await first.ask(request, patienceMs)
    } catch (error) {
      // Sessions end when an HSM restarts: once more, with new ones.
      if (!(error instanceof TokenError) || error.reason !== 'away') throw error
      return await (await reach()).ask(request, patienceMs)
    }
  }

  return {
    open: async () => void (await reach()),
    async ask(request, patienceMs = options.patienceMs) {
      try {
        if (request.what === 'create') return await askAnew(request, patienceMs)
        return (await askTwice(request, patienceMs)) ?? (await askAnew(request, patienceMs))
      } catch (error) {
        if (state === 'found' && !closed && error instanceof TokenError && isLoss(error)) {
          state = 'lost'
          onLost?.(error)
        }
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      closed = true
      await opening?.catch(() => undefined)
      await link?.[Symbol.asyncDispose]()
    },
  }
}

const isLoss = ({ reason }: TokenError) => !reason.startsWith('key-')
