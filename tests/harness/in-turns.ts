/** Runs a task for each name, at most so many at once, in their order. */
export function inTurns<Result>(
  concurrent: number,
  names: readonly string[],
  task: (name: string) => Promise<Result>,
): Map<string, Promise<Result>> {
  const waiting = names.map((name) => ({ name, ...Promise.withResolvers<Result>() }))
  const running = new Map(waiting.map(({ name, promise }) => [name, promise]))
  // Whoever asks for one hears of its failure; nobody has to ask for all of them at once.
  for (const promise of running.values()) promise.catch(() => undefined)
  const takeTurns = async () => {
    for (let next = waiting.shift(); next; next = waiting.shift())
      await Promise.try(task, next.name).then(next.resolve, next.reject)
  }
  for (let lane = 0; lane < concurrent; lane += 1) void takeTurns()
  return running
}
