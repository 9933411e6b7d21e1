/** The sum of a metric's samples in the Prometheus text format. */
export function sumMetric(text: string, name: string): number {
  let sum = 0
  for (const line of text.split('\n'))
    if (line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)))
      sum +=
        Number(
          line
            .slice(line.lastIndexOf('}') + 1)
            .trim()
            .split(' ')
            .at(line.includes('}') ? 0 : 1),
        ) || 0
  return sum
}
