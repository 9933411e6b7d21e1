/** What a device does only as long as its power is on. */
export class Power {
  readonly #fail: (error: unknown) => void
  #on: AbortController | undefined

  constructor(fail: (error: unknown) => void) {
    this.#fail = fail
  }

  get isOn(): boolean {
    return this.#on !== undefined
  }

  turnOn(): void {
    this.#on = new AbortController()
  }

  turnOff(): void {
    this.#on?.abort()
    this.#on = undefined
  }

  /** Runs something that ends with the power. */
  run(task: (signal: AbortSignal) => Promise<void>): void {
    const signal = this.#on?.signal
    if (!signal) return
    task(signal).catch((error: unknown) => {
      // Going off ends everything in mid-air.
      if (!signal.aborted) this.#fail(error)
    })
  }
}
