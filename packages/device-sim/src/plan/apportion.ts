/** `total` things in proportion to the weights, exact to one, by the largest remainders; `least` of each. */
export function apportion(weights: readonly number[], total: number, least = 0): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0)
  const rest = total - least * weights.length
  const ideal = weights.map((weight) => (sum === 0 ? 0 : Math.max(least, (total * weight) / sum)))
  // What the least takes away from others: they share the rest by what they would have beyond it.
  const beyond = ideal.map((share) => share - least)
  const all = beyond.reduce((one, other) => one + other, 0)
  const shares = beyond.map((share) => (all === 0 ? 0 : (share / all) * rest))
  const counts = shares.map((share) => Math.floor(share + 1e-9))
  const left = rest - counts.reduce((one, other) => one + other, 0)
  const order = shares
    .map((share, index) => ({ index, remainder: share - (counts[index] ?? 0) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index)
  for (const { index } of order.slice(0, left)) counts[index] = (counts[index] ?? 0) + 1
  return counts.map((count) => count + least)
}
