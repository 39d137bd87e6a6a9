/**
 * Where a request came from: the last entry of X-Forwarded-For, which the nearest proxy has added, if that is to be
 * trusted and there; else the other end of the connection.
 */
export function clientAddress(remote: string | undefined, forwarded: string | string[] | undefined): string {
  const nearest = [forwarded ?? []].flat().join(',').split(',').at(-1)?.trim() ?? ''
  // Clients of IPv4 on a socket of IPv6.
  return (nearest === '' ? (remote ?? '') : nearest).replace(/^::ffff:(?=\d+\.)/i, '')
}

/** An address for rate limits. One household or host owns a whole /64 of IPv6, so that counts as one. */
export function limitKey(ip: string): string {
  if (!ip.includes(':')) return ip
  const [head = '', tail = ''] = ip.split('%', 1)[0]?.split('::') ?? []
  const left = head === '' ? [] : head.split(':')
  const right = tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return `${[...left, ...zeros, ...right].slice(0, 4).join(':')}::/64`
}
