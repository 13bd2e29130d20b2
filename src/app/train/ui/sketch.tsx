import type { Method } from '../protocol'

/** What learns, as a picture: the frozen layers, the classifier on top of them, and the adapter's pairs. */
export function Sketch({ method, layers }: { method: Method; layers: number }) {
  const height = 12 * layers + 12
  const middle = 12 + (12 * layers) / 2 - 2
  const rows = Array.from({ length: layers }, (_, i) => 14 + 12 * i)
  return (
    <svg class="sketch" viewBox={`0 0 64 ${height}`} width="64" height={height} aria-hidden="true">
      {method === 'condlora' && rows.map((y) => <path key={y} class="thread" d={`M12 ${middle}C20 ${middle} 18 ${y + 4} 28 ${y + 4}`} />)}
      <rect class="learns" x="36" y="2" width="18" height="7" rx="2" />
      {rows.map((y) => (
        <rect key={y} class="frozen" x="28" y={y} width="34" height="8" rx="2" />
      ))}
      {method === 'lora' && rows.map((y) => <rect key={y} class="learns" x="15" y={y} width="9" height="8" rx="2" />)}
      {method === 'condlora' && <rect class="learns" x="3" y={middle - 5} width="10" height="10" rx="3" />}
    </svg>
  )
}
