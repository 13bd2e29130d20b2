export const count = (n: number) => n.toLocaleString('en-US')

/** 1,234,567 as 1.2 M. */
export function short(n: number): string {
  if (n >= 999_950_000) return `${(n / 1e9).toFixed(1)} G`
  if (n >= 999_950) return `${(n / 1e6).toFixed(1)} M`
  return n >= 10_000 ? `${Math.round(n / 1000)} k` : count(n)
}

export function bytes(n: number): string {
  if (n >= 999_500_000) return `${(n / 1e9).toFixed(1)} GB`
  if (n >= 999_500) return `${n < 1e7 ? (n / 1e6).toFixed(1) : Math.round(n / 1e6)} MB`
  return n >= 1000 ? `${Math.round(n / 1000)} kB` : `${n} B`
}

export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds))
  if (s < 60) return `${s} s`
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`
}

/** A share in percent, with two digits that tell something. */
export function percent(share: number): string {
  const p = 100 * share
  if (p >= 99.95 || p < 0.0001) return `${Math.round(p)} %`
  return `${p >= 0.995 ? p.toFixed(1) : p.toPrecision(2)} %`
}

/** A probability; what is nearly certain is not called certain. */
export function chance(p: number): string {
  if (p < 0.001) return '< 0.1 %'
  return p > 0.999 ? '> 99.9 %' : `${(100 * p).toFixed(1)} %`
}

export const decimals = (x: number) =>
  x >= 100 ? count(Math.round(x)) : x >= 10 ? x.toFixed(1) : x >= 1 ? x.toFixed(2) : x >= 0.001 ? x.toFixed(3) : x.toExponential(1)

export function ago(since: number, now = Date.now()): string {
  const minutes = Math.round((now - since) / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} ${minutes === 1 ? 'minute' : 'minutes'} ago`
  const hours = Math.round(minutes / 60)
  if (hours < 36) return `${hours} ${hours === 1 ? 'hour' : 'hours'} ago`
  return `on ${new Date(since).toLocaleDateString('en-GB', { day: 'numeric', month: 'long' })}`
}
