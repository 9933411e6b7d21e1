/** `width` of them at a time. */
export async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<unknown>,
): Promise<void> {
  const left = items.values()
  const workers = Array.from({ length: Math.min(width, items.length) }, async () => {
    for (const item of left) await work(item)
  })
  await Promise.all(workers)
}
