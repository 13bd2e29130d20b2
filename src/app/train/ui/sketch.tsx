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

const layersOfArt = Array.from({ length: 6 }, (_, i) => 14 + 30 * i)

/** CondLoRA beside the title: one pair, a thread to every layer. */
export function Art({ learning }: { learning: boolean }) {
  return (
    <svg class={`art${learning ? ' learning' : ''}`} viewBox="0 0 400 192" width="400" height="192" aria-hidden="true">
      {layersOfArt.map((y) => (
        <path key={y} class="thread" d={`M52 96C150 96 120 ${y + 8} 226 ${y + 8}`} />
      ))}
      {layersOfArt.map((y) => (
        <g key={y}>
          <rect class="frozen" x="262" y={y} width="136" height="16" rx="5" />
          <rect class="learns" x="226" y={y} width="12" height="16" rx="4" />
          <rect class="learns" x="244" y={y} width="12" height="16" rx="4" />
        </g>
      ))}
      <rect class="learns" x="8" y="74" width="44" height="44" rx="12" />
    </svg>
  )
}
